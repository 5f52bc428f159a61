"""A server on loopback that answers correctly, or fails in the way that a test specifies."""

import hashlib
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "mock-7b"


def good(body, number):
    """The reply of a correct server: its text is a function of prompt and seed."""
    talk = "messages" in body
    prompt = json.dumps(body["messages"]) if talk else body["prompt"]
    text = hashlib.sha256(f"{prompt}{body.get('seed')}".encode()).hexdigest()[:8]
    said = {"message": {"role": "assistant", "content": text}} if talk else {"text": text}
    return {
        "id": f"reply-{number}",
        "object": "chat.completion" if talk else "text_completion",
        "model": body["model"],
        "choices": [{"index": 0, "finish_reason": "stop", **said}],
        "usage": {"prompt_tokens": len(prompt) // 4 + 1, "completion_tokens": 3},
    }


class Server(ThreadingHTTPServer):
    """`fault(number, body)` gives None for a good reply, or what to do instead (see `_Handler`)."""

    daemon_threads = True

    def __init__(self, fault=lambda number, body: None, work_s=0.0):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault = fault
        self.work_s = work_s
        self.lock = threading.Lock()
        self.asked = []  # (time, path, body, headers) of each request, in order
        self.answered = []  # bodies of requests that got a good reply
        self.busy = self.busiest = 0
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request, client_address):
        pass  # clients that gave up are expected


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            number = len(server.asked)
            server.asked.append((time.monotonic(), self.path, body, dict(self.headers)))
            server.busy += 1
            server.busiest = max(server.busiest, server.busy)
        try:
            time.sleep(server.work_s)
            fault = server.fault(number, body)
            if fault is None:
                self.reply(200, json.dumps(good(body, number)).encode())
                with server.lock:
                    server.answered.append(body)
            else:
                fault(self, body, number)
        finally:
            with server.lock:
                server.busy -= 1

    def reply(self, status, data, headers=(), length=None):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def cut(self):
        self.close_connection = True


def status(code, message="busy", **headers):
    data = json.dumps({"error": {"message": message, "code": None}}).encode()
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda handler, body, number: handler.reply(code, data, named)


def changed(**changes):
    """A good reply, with some keys changed."""

    def answer(handler, body, number):
        handler.reply(200, json.dumps(good(body, number) | changes).encode())

    return answer


def choice(**parts):
    """A good reply whose choice has these keys beside `index` and `finish_reason`."""
    return changed(choices=[{"index": 0, "finish_reason": "stop", **parts}])


def raw(data):
    return lambda handler, body, number: handler.reply(200, data)


def page(handler, body, number):
    """A web page, as from an address without /v1."""
    data = b"<html>Welcome</html>"
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def hang(handler, body, number):
    time.sleep(2)
    handler.cut()


def trickle(handler, body, number):
    """Byte by byte, each within the timeout, without an end."""
    handler.reply(200, b"", length=1000)
    for _ in range(40):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)
    handler.cut()


def closed(handler, body, number):
    handler.cut()


def half(handler, body, number):
    """The length of a whole reply, and a part of it."""
    data = json.dumps(good(body, number)).encode()
    handler.reply(200, data[: len(data) // 2], length=len(data))
    handler.cut()


def torn_stream(handler, body, number):
    """A chunked reply without its last chunk."""
    data = json.dumps(good(body, number)).encode()[:20]
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
    handler.cut()


def events(handler, body, number):
    """Server-sent events, which were not requested."""
    handler.reply(200, b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n')


def other_id(handler, body, number):
    """The reply to the first request, again."""
    handler.reply(200, json.dumps(good(body, number) | {"id": "reply-0"}).encode())


def other_header(handler, body, number):
    data = json.dumps(good(body, number)).encode()
    handler.reply(200, data, [("X-Request-Id", "faultlines-of-another")])


def enormous(handler, body, number):
    handler.reply(200, b"", length=80 << 20)
    for _ in range(80):
        handler.wfile.write(b" " * (1 << 20))


# Faults that pass: the request is sent again, on every dialect.
FAULTS = {
    "429": status(429, "slow down", Retry_After="0"),
    "500": status(500),
    "503 in HTML": lambda handler, body, number: handler.reply(503, b"<html>no backend</html>"),
    "529": status(529),
    "hang": hang,
    "trickle": trickle,
    "closed": closed,
    "half": half,
    "torn stream": torn_stream,
    "events": events,
    "not JSON": raw(b"{'id': nope"),
    "a list": raw(b"[]"),
    "no choices": changed(choices=[]),
    "two choices": changed(choices=[{}, {}]),
    "broken off": choice(message={"content": "half a"}, finish_reason="error"),
    "error in a choice": choice(message={"content": ""}, error={"code": 502, "message": "gone"}),
    "503 as 200": raw(b'{"error": {"code": 503, "message": "no backend"}}'),
    "overloaded as 200": raw(b'{"error": {"type": "overloaded_error", "message": "Overloaded"}}'),
    "other header": other_header,
    "enormous": enormous,
}

# Faults on dialect vllm only, whose servers are known to count and to name every reply: the reply
# belongs to another request. Others give such replies in earnest (see products.py).
STRICT_FAULTS = {
    "no usage": changed(usage=None),
    "other kind": changed(object="embedding"),
    "more than the limit": changed(usage={"prompt_tokens": 9, "completion_tokens": 10**6}),
    "other prompt": changed(usage={"prompt_tokens": 4321, "completion_tokens": 3}),
    "one token more": lambda handler, body, number: changed(
        usage={"prompt_tokens": len(json.dumps(body["messages"])) // 4 + 2, "completion_tokens": 3}
    )(handler, body, number),
    "other id": other_id,
}

# Replies that the next attempt would give again, with what the only line says of them.
LASTING = {
    "no key choices": (raw(b'{"greeting": "hello"}'), r"expected a reply with choices.*hello"),
    "numbers for text": (choice(message={"content": 7}), "expected text, found int: 7"),
    "neither message nor text": (choice(delta={"content": "x"}), "expected a message or a text"),
    "message is text": (choice(message="x"), "expected a message or a text"),
    "parts without a type": (choice(message={"content": [7]}), "expected parts of a text"),
    "choice is text": (changed(choices=["x"]), "expected a choice, found"),
    "other model": (changed(model="another-13b"), "'mock-7b', found a reply of 'another-13b'"),
    "relative": (changed(model="mock-7b-mini"), "'mock-7b', found a reply of 'mock-7b-mini'"),
    "error as 200": (
        raw(b'{"error": "Unexpected endpoint or method. (POST /v1/v1)"}'),
        r"answers with an error \(status 200\): Unexpected endpoint",
    ),
    "object error": (
        raw(b'{"object": "error", "message": "no such adapter", "code": 40001}'),
        "answers with an error .* no such adapter",
    ),
    "400 as 200": (raw(b'{"error": {"code": 400, "message": "bad tool"}}'), "400.*bad tool"),
    "web page": (page, "is a web page; `server.url`"),
}


@contextmanager
def serving(*arguments, **options):
    """A running server, stopped at the end."""
    server = Server(*arguments, **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
