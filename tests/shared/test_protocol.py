"""The label of a run follows from the paper's settings that are known, and names what differs."""

import pytest

from workflow_scripts.shared import protocol
from workflow_scripts.shared.claims import Evidence
from workflow_scripts.shared.protocol import Setting


def test_every_known_setting_makes_it_the_paper_s_own_protocol():
    found = protocol.evidence(Setting("width", 128, 128), Setting("seeds", 5, 3, "at least"))
    assert found == protocol.Protocol(Evidence.PROTOCOL, "")


def test_what_was_reduced_is_named():
    found = protocol.evidence(
        Setting("steps", 250, 10000, "at least"),
        Setting("width", 64, 128),
        Setting("lengths", (4, 8), [4, 8]),
        Setting("data", "digits", "MNIST"),
    )
    assert found.evidence is Evidence.REDUCED
    assert found.reduced == "steps 250 of 10,000; width 64, not 128; data digits, not MNIST"


def test_without_settings_nothing_was_checked():
    with pytest.raises(ValueError, match="expected the settings of the paper"):
        protocol.evidence()
