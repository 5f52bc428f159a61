"""The list of cities: possible coordinates, no city twice, and values from general knowledge."""

import pytest

from tests.change_of_mind import made

# City, country, latitude, longitude: from general knowledge, to a tenth of a degree or so.
KNOWN = [
    ("Lagos", "Nigeria", 6.45, 3.40),
    ("Tianjin", "China", 39.13, 117.20),
    ("Munich", "Germany", 48.14, 11.58),
    ("Manila", "Philippines", 14.60, 120.98),
    ("Winnipeg", "Canada", 49.90, -97.14),
    ("Benghazi", "Libya", 32.12, 20.07),
    ("Omaha", "United States", 41.26, -95.94),
    ("Toulouse", "France", 43.60, 1.44),
    ("The Hague", "The Netherlands", 52.08, 4.31),
    ("Krasnoyarsk", "Russia", 56.01, 92.87),
    ("Bulawayo", "Zimbabwe", -20.17, 28.58),
    ("Goiânia", "Brazil", -16.68, -49.25),
    ("Krugersdorp", "South Africa", -26.10, 27.77),
    ("Swansea", "United Kingdom", 51.62, -3.94),
]
# Countries that lie on one side of the equator, and of the meridian of Greenwich, as a whole.
NORTH = ["Germany", "Japan", "Canada", "India", "Mexico", "Turkey", "Nigeria"]
SOUTH = ["Australia", "South Africa", "Argentina", "Chile", "Zimbabwe", "Madagascar"]
EAST = ["Germany", "Japan", "India", "Australia", "Turkey", "China"]
WEST = ["Brazil", "Mexico", "Canada", "Argentina", "Portugal", "Chile"]


def test_enough_cities_none_twice():
    cities = made.cities()
    assert len(cities) >= 500
    assert not cities.duplicated(["city", "country"]).any()
    assert not cities.duplicated("geonameid").any()
    assert cities.notna().all().all()


def test_coordinates_are_possible():
    cities = made.cities()
    # A foil 50 % further from the equator must be a latitude too.
    assert cities["latitude_deg"].abs().between(5, 60).all()
    assert cities["longitude_deg"].between(-180, 180).all()


@pytest.mark.parametrize(("city", "country", "latitude", "longitude"), KNOWN)
def test_well_known_cities_are_where_they_are(city, country, latitude, longitude):
    found = made.rows(made.cities(), city=city, country=country).iloc[0]
    assert found["latitude_deg"] == pytest.approx(latitude, abs=0.15)
    assert found["longitude_deg"] == pytest.approx(longitude, abs=0.15)


@pytest.mark.parametrize(
    ("countries", "column", "sign"),
    [
        (NORTH, "latitude_deg", 1),
        (SOUTH, "latitude_deg", -1),
        (EAST, "longitude_deg", 1),
        (WEST, "longitude_deg", -1),
    ],
)
def test_countries_are_on_their_side(countries, column, sign):
    found = made.cities()[made.cities()["country"].isin(countries)]
    assert set(found["country"]) == set(countries)
    assert (sign * found[column] > 0).all()


def test_the_source_is_named():
    assert "GeoNames" in made.CITIES.read_text(encoding="utf-8").splitlines()[0]
