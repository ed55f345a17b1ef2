"""How the lines get to a collector, with one that answers as it is told."""
import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import TestCase, mock

import activitylog
from django.contrib.auth import signals as auth

TAKEN = {"accepted": 1, "ids": [], "rejected": []}


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        lines = self.rfile.read(int(self.headers["Content-Length"])).splitlines()
        status, answer = self.server.judge(lines)
        self.server.seen.append((status, lines, self.headers))
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Sending(TestCase):
    def setUp(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
        self.server.seen, self.server.judge = [], lambda lines: (200, TAKEN)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.conf = {**activitylog.conf(), "spool_dir": self.folder, "token": "t0k",
                     "endpoint": f"http://127.0.0.1:{self.server.server_address[1]}/v1/events"}
        for name, value in {"conf": lambda: self.conf, "IDLE": 0.05, "RETRY": 0.1}.items():
            patch = mock.patch.object(activitylog, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        self.sender = activitylog.Sender()

    def put(self, *names):
        for name in names:
            self.sender.put("system", {"event_name": name})

    def stored(self):
        return [json.loads(line)["event_name"] for status, lines, _ in self.server.seen if status == 200 for line in lines]

    def until(self, condition):
        end = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), end, self.server.seen)
            time.sleep(0.01)

    def on_disk(self):
        return b"".join(path.read_bytes() for path in self.folder.glob("*.jsonl"))

    def test_what_is_sent_is_gone_from_the_disk(self):
        self.put("one", "two")
        self.until(lambda: self.stored() == ["one", "two"] and not self.on_disk())
        self.assertEqual(self.server.seen[0][2]["Authorization"], "Bearer t0k")

    def test_no_token_is_no_header(self):
        self.conf["token"] = ""
        self.put("one")
        self.until(self.stored)
        self.assertNotIn("Authorization", self.server.seen[0][2])

    def test_a_retry_is_the_same_event(self):
        self.server.judge = lambda lines: (503, {"status": 503, "code": "unavailable"})
        with self.assertLogs("activitylog", "WARNING"):
            self.put("one")
            self.until(lambda: len(self.server.seen) >= 2)
        self.server.judge = lambda lines: (200, TAKEN)
        self.until(self.stored)
        self.assertEqual(len({lines[0] for _, lines, _ in self.server.seen}), 1, "byte for byte")

    def test_an_answer_of_another_server_is_none(self):
        answers = iter([(200, {"hello": "portal"}), (404, {}), (401, {"status": 401, "code": "unauthenticated"}), (500, [])])
        self.server.judge = lambda lines: next(answers, (200, TAKEN))
        with self.assertLogs("activitylog", "WARNING"):
            self.put("one")
            self.until(lambda: len(self.server.seen) >= 5)
        self.assertEqual(self.server.seen[-1][0], 200)

    def test_one_line_that_is_refused_harms_no_other(self):
        def judge(lines):
            bad = any(b'"event_name":"bad"' in line for line in lines)
            return (413, {"status": 413, "code": "body_too_large"}) if bad else (200, TAKEN)
        self.server.judge = judge
        with self.assertLogs("activitylog", "ERROR") as logs:
            with self.sender.lock:  # all in one request
                threads = [threading.Thread(target=self.put, args=(n,)) for n in ("a", "b", "bad", "c")]
                [t.start() for t in threads]
            self.until(lambda: sorted(self.stored()) == ["a", "b", "c"] and not self.on_disk())
        self.assertEqual(len(logs.records), 1)

    def test_an_event_refused_for_good_is_named_and_not_sent_again(self):
        self.server.judge = lambda lines: (400, {"status": 400, "code": "all_rejected", "rejected": [
            {"index": 0, "id": "x", "code": "datetime_out_of_range"}]})
        with self.assertLogs("activitylog", "ERROR") as logs:
            self.put("one")
            self.until(lambda: self.server.seen and not self.on_disk())
        self.assertIn("datetime_out_of_range", logs.output[0])
        self.assertEqual(len(self.server.seen), 1)

    def test_a_full_spool_loses_the_newest_and_says_so(self):
        self.conf["spool_bytes"] = 1000
        self.server.judge = lambda lines: (503, {"status": 503})
        self.put(*["first"] * 10)
        self.until(lambda: self.sender.full)
        with self.assertRaisesRegex(OSError, "full"):
            self.put("too much")
        self.server.judge = lambda lines: (200, TAKEN)
        self.until(lambda: self.stored() == ["first"] * 10 and not self.sender.full)
        self.put("again")
        self.until(lambda: "again" in self.stored())

    def test_files_of_the_dead_are_taken_over_torn_lines_and_all(self):
        child = os.fork()
        if child == 0:  # a worker without a collector, killed
            try:
                self.sender.retry_at = time.monotonic() + 100
                self.put("child-1", "child-2")
                self.sender.own.write(b'{"kind": "torn')
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        self.assertIn(b"torn", self.on_disk())
        self.put("parent")
        self.until(lambda: sorted(self.stored()) == ["child-1", "child-2", "parent"] and not self.on_disk())

    def test_files_of_the_living_are_left_alone(self):
        other = activitylog.Sender()
        other.retry_at = time.monotonic() + 100
        other.put("system", {"event_name": "theirs"})
        self.put("mine")
        self.until(lambda: self.stored() == ["mine"])
        time.sleep(0.3)
        self.assertEqual(self.stored(), ["mine"])
        self.assertIn(b"theirs", self.on_disk())

    def test_a_forked_process_sends_nothing_of_its_parents(self):
        with mock.patch.object(activitylog, "sender", self.sender):
            os.register_at_fork(after_in_child=self.sender.__init__)
            self.put("parent")
            self.until(lambda: self.stored() == ["parent"])
            child = os.fork()
            if child == 0:
                try:
                    self.put("child")
                    self.sender.flush()
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            self.put("parent again")
            self.until(lambda: sorted(self.stored()) == ["child", "parent", "parent again"])
        producers = {json.loads(line)["producer"] for _, lines, _ in self.server.seen for line in lines}
        self.assertEqual(len(producers), 2)

    def test_a_value_that_looks_like_a_hidden_token_stays(self):
        like = f"@{'a' * 32}"
        self.sender.put("login", {"username": like, "after": [like]})
        self.until(lambda: self.server.seen)
        event = json.loads(self.server.seen[0][1][0])
        self.assertEqual((event["username"], event["after"]), (like, [like]))

    def test_a_token_never_gets_to_the_disk(self):
        mine, dead = self.sender.hide('Bearer "a.b.c"'), f"@{'0' * 32}"
        self.sender.retry_at = time.monotonic() + 0.3
        for word in (mine, dead):  # the token of a process that is gone went with it
            self.sender.put("request", {"event_name": word, "headers": {"authorization": word}})
        self.assertNotIn(b"a.b.c", self.on_disk())
        self.until(self.stored)
        headers = [json.loads(line)["headers"]["authorization"] for line in self.server.seen[0][1]]
        self.assertEqual(headers, ['Bearer "a.b.c"', ""])

    def test_tokens_in_memory_are_bounded(self):
        with mock.patch.object(activitylog, "HIDDEN", 3):
            sender = activitylog.Sender()
        words = [sender.hide(str(n)) for n in range(5)]
        self.assertEqual(list(sender.hidden), list(zip(words[2:], "234")))

    def test_nothing_is_recorded_where_that_is_off(self):
        self.conf["enabled"] = False
        with mock.patch.object(activitylog, "sender", self.sender):
            activitylog.record("system", event_name="one")
            activitylog.logged(auth.user_login_failed, credentials={"username": "ada"})
            activitylog.before_save(activitylog.get_user_model(), None, "default")  # and no query made for it
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_the_file_is_one_to_read(self):
        lines = Path(activitylog.__file__).read_text().splitlines()
        self.assertLessEqual(len(lines), 300)
        self.assertLessEqual(max(map(len, lines)), 120)

    def test_nobody_else_may_read_it(self):
        self.sender.retry_at = time.monotonic() + 100
        self.conf["spool_dir"] = self.folder / "new"
        self.put("one")
        [path] = (self.folder / "new").iterdir()
        self.assertEqual((path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777), (0o600, 0o700))
