"""Reports what happens in a Django project to otelcol-activitylog. Copy this one file; its README.md has the rest.

    INSTALLED_APPS = [..., "activitylog.ActivityLog"]
    MIDDLEWARE = ["activitylog.middleware", ...]   # first, so that it sees every answer
    ACTIVITYLOG_PRODUCER = {"service": "shop"}     # every key: DEFAULTS
"""
import atexit, contextvars, datetime, fcntl, functools, hashlib, itertools, json, logging, os, re, socket, ssl  # noqa: E401
import http.client, pathlib, threading, time, urllib.error, urllib.parse, urllib.request, uuid  # noqa: E401
from contextlib import suppress

from asgiref.sync import iscoroutinefunction
from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model, signals as auth
from django.db import connections, models, transaction
from django.utils.decorators import sync_and_async_middleware

DEFAULTS = {
    "enabled": True, "service": "django", "endpoint": "http://127.0.0.1:4319/v1/events", "token": "", "ca_file": None,
    "timeout": 5.0,  # seconds for one attempt to reach the collector
    "spool_dir": "", "spool_bytes": 256 << 20,  # activitylog-spool in BASE_DIR; of all its files
    "mask_fields": r"(?!)",  # more names of fields that hold secrets; like the next two a regular expression
    "headers": r"authorization|x-forwarded-for|forwarded|x-real-ip|user-agent|sec-ch-ua.*|host|origin|x-frontend-url|"
               r"access-control-request-method|sec-fetch-site|traceparent|x-request-id|x-correlation-id",
    "exclude_models": r"(sessions\.session|admin\.logentry|auth\.permission|contenttypes|migrations|authtoken)\b.*",
}
SECRET = (r"passw|passphrase|secret|token|(api|access|private)_?key|credential|authorization|cookie|jwt|pwd|otp|"
          r"session_?(key|data|id)|(^|_)(pass|pin|cvv|cvc|sid|sig)$")
MASK, BEFORE, BULKY = "***", "_activitylog_before", {"before", "after", "changed_fields", "extra_data", "object_repr"}
EVENT, CHUNK, FILE = 256 << 10, 1 << 20, 16 << 20  # bytes, about: of an event, a request, a file of the spool
IDLE, RETRY, HIDDEN = 2.0, 10.0, 5000  # seconds between looks at the spool, attempts to send at most; tokens in memory
LOGINS = {auth.user_logged_in: "login", auth.user_logged_out: "logout", auth.user_login_failed: "login_failed"}
logger, current = logging.getLogger("activitylog"), contextvars.ContextVar("activitylog", default=None)

@functools.cache
def conf():
    given = getattr(settings, "ACTIVITYLOG_PRODUCER", {})
    if unknown := given.keys() - DEFAULTS.keys():
        raise KeyError(f"ACTIVITYLOG_PRODUCER has no {sorted(unknown)}; it has {sorted(DEFAULTS)}")
    folder = pathlib.Path(getattr(settings, "BASE_DIR", "."), given.get("spool_dir") or "activitylog-spool")
    return {**DEFAULTS, **given, "spool_dir": folder.absolute()}

@functools.lru_cache(maxsize=1000)
def secret(name):
    return re.search(f"{SECRET}|{conf()['mask_fields']}", name, re.IGNORECASE) is not None

def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()

def quietly(*heard):
    """Calls the function on these signals. What goes wrong in it is logged and never reaches the project's own code."""
    def decorate(function):
        def wrapper(*args, **kwargs):
            try:
                return function(*args, **kwargs)
            except Exception as e:
                logger.error("not recorded: %s in %s", type(e).__name__, function.__name__)
        for signal in heard:
            signal.connect(wrapper)
        return wrapper
    return decorate

class Acting:
    """Who acts and from where: what the events of a request have in common. A job says it itself:
    with Acting(user_id="7", actor_type="service"): ..."""

    def __init__(self, request=None, **actor):
        self.request, self.known, self.response, self.streamed, self.origin = request, actor, None, 0, {}
        self.datetime, self.started = now(), time.perf_counter()
        if request is not None:  # by peer and headers the collector judges address, browser, trace and token
            headers = {n.lower(): sender.hide(v) if secret(n.replace("-", "_")) else v
                       for n, v in request.headers.items() if re.fullmatch(conf()["headers"], n, re.IGNORECASE)}
            self.origin = {"headers": headers, "peer_address": request.META.get("REMOTE_ADDR") or None}

    def __enter__(self):
        self.outer = current.set(self)
        return self

    @quietly()
    def __exit__(self, kind, error, traceback):
        current.reset(self.outer)
        if (response := self.response) is not None:  # reported when the server closes it: its last byte is out then
            close, stream = response.close, response.streaming and not response.has_header("Content-Length")
            response.close = lambda: (response.closed or self.finish(), close())
            if parts := stream and response.streaming_content:
                response.streaming_content = (
                    (self.count(p) async for p in parts) if response.is_async else map(self.count, parts))
        elif self.request is not None:
            self.finish(error)

    def count(self, part):
        self.streamed += len(part)
        return part

    @quietly()
    def finish(self, error=None):
        request, response, status, size = self.request, self.response, 500 if isinstance(error, Exception) else None, None
        if response is not None:
            length = self.streamed if response.streaming else len(response.content)
            status, size = response.status_code, response.get("Content-Length") or length
        taken, given = (int(n) if str(n).isdecimal() else None for n in (request.META.get("CONTENT_LENGTH"), size))
        query = re.sub("([^&=]+)=[^&]*", lambda m: f"{m[1]}={MASK}" if secret(urllib.parse.unquote_plus(m[1])) else m[0],
                       request.META.get("QUERY_STRING", ""))
        record("request", self, datetime=self.datetime, method=request.method, url=request.path, query_string=query,
               route=getattr(getattr(request, "resolver_match", None), "route", None), response_status=status,
               reason=error and type(error).__name__, request_body_size=taken, response_body_size=given,
               response_time_ms=round((time.perf_counter() - self.started) * 1000, 3))

    def actor(self):
        """Once known it stays, whatever becomes of the user. Nothing is asked that Django would not have asked."""
        with suppress(Exception):  # no session table, a broken user model: then nobody is named
            user = self.known or getattr(self.request, "_acached_user", None) or self.request.user
            if user is not self.known and user.is_authenticated and user.pk is not None:
                self.name(user)
        nobody = self.origin and not self.known and "authorization" not in self.origin["headers"]
        return {"actor_type": "anonymous"} if nobody else self.known

    def name(self, user):
        self.known, session = {"user_id": str(user.pk), "username": user.get_username()}, getattr(self.request, "session", None)
        if session is not None and session.accessed and session.get(SESSION_KEY) == str(user.pk):  # loaded: no query
            digest = hashlib.sha256((session.session_key or "").encode()).hexdigest()  # the key itself opens the session
            self.known |= {"auth_method": "session", "session_key": digest}

@sync_and_async_middleware
def middleware(get_response):
    def handle(request):
        with Acting(request) as acting:
            acting.response = get_response(request)
        return acting.response

    async def handle_async(request):
        with Acting(request) as acting:
            acting.response = await get_response(request)
        return acting.response

    return get_response if not conf()["enabled"] else handle_async if iscoroutinefunction(get_response) else handle

class ActivityLog(AppConfig):
    name, label, path = __name__, "activitylog", __file__  # no folder: templates beside this file are not this app's

def label(model):
    """app_label.model; nothing when it is not reported."""
    name = model._meta.concrete_model._meta.label_lower
    return "" if re.fullmatch(conf()["exclude_models"], name) or not conf()["enabled"] else name

def images(instance, update_fields=None, old=None):
    """The object before and after as {field: value}: the fields that are loaded and written, secrets masked."""
    before, after = {}, {}
    for f in instance._meta.concrete_fields:
        written = update_fields is None or f.name in update_fields or f.attname in update_fields
        if f.attname in instance.__dict__ and written and not getattr(f, "generated", False):
            new, was = instance.__dict__[f.attname], (old or {}).get(f.attname)
            try:
                new = f.to_python(new)  # "5" becomes the 5 that the database gave
                new = was if was == new and not isinstance(new, (dict, list)) else new  # 1.5 is 1.50
            except Exception:
                new = str(new)  # an expression: F("stock") - 1
            if secret(f.name):
                was, new = MASK, MASK if not old or was == new else f"{MASK} changed"
            before[f.name], after[f.name] = was, new
    return before, after

def changed(using, event_type, model, one, **event):
    """A crud event on commit; one is an instance or a key. Django clears the key of what it deletes: it is taken now."""
    acting, key, text = current.get(), getattr(one, "pk", one), None
    if not label(model):
        return
    if acting:
        acting.actor()  # now, so that a user who deletes himself is still named
    if isinstance(one, models.Model):
        with suppress(Exception), connections[using].execute_wrapper(None):  # no wrapper: a text that needs a query fails
            text = str(one)
    send = functools.partial(record, "crud", acting, event_type=event_type, datetime=now(), content_type=label(model),
                             object_id=str(key), object_repr=text, **event)
    transaction.on_commit(send, using=using, robust=True)

@quietly(models.signals.pre_save)
def before_save(sender, instance, using, **_):
    instance.__dict__.pop(BEFORE, None)
    if label(sender) and instance.pk is not None and not (instance._state.adding and sender._meta.pk.has_default()):
        names = [f.attname for f in sender._meta.concrete_fields if f.attname in instance.__dict__]
        instance.__dict__[BEFORE] = sender._base_manager.using(using).filter(pk=instance.pk).values(*names).first()

@quietly(models.signals.post_save, models.signals.post_delete)
def after_change(sender, instance, using, created=None, update_fields=None, **_):
    old = instance.__dict__.pop(BEFORE, None)
    before, after = images(instance, update_fields, old)
    before, after = (after, None) if created is None else (old and before, after)
    changed(using, {None: "delete", True: "create", False: "update"}[created], sender, instance, before=before, after=after)

@quietly(models.signals.m2m_changed)
def m2m_changed(sender, instance, action, reverse, pk_set, using, **_):
    (when, what), fields = action.split("_"), instance._meta.get_fields(include_hidden=True)
    field = next(f for f in fields if f.many_to_many and f.auto_created == reverse
                 and getattr(f if reverse else f.remote_field, "through", None) is sender)
    name, forward = (field.get_accessor_name(), field.field) if reverse else (field.name, field)
    if when == "pre" and what != "add":  # what is there: remove names others too, and clear none
        own, other = (forward.m2m_field_name(), forward.m2m_reverse_field_name())[::-1 if reverse else 1]
        chosen = {own: instance} if pk_set is None else {own: instance, f"{other}__in": pk_set}
        instance.__dict__[BEFORE + name] = list(sender._base_manager.using(using).filter(**chosen).values_list(other, flat=True))
    elif when == "post":
        if keys := sorted(pk_set if what == "add" else instance.__dict__.pop(BEFORE + name), key=str):
            changed(using, f"{'reverse_' * reverse}m2m_{what}", type(instance), instance,
                    changed_fields={name: [[], keys] if what == "add" else [keys, []]})

@quietly(*LOGINS)
def logged(signal, request=None, user=None, credentials=None, **_):
    acting = current.get() or Acting(getattr(request, "_request", request))
    if user is not None:
        acting.name(user)  # a request that logs out still has its user
        record("login", acting, login_type=LOGINS[signal])
    elif credentials is not None:  # whoever that was, it is not who is logged in
        name = credentials.get(get_user_model().USERNAME_FIELD) or credentials.get("username") or ""
        sender.put("login", {**acting.origin, "login_type": LOGINS[signal], "username": str(name)[:255]})

@quietly()
def record(kind, acting=None, /, **event):
    """Sends one event (docs/events.md) at once, with what is known of the request under way."""
    acting = acting or current.get()
    sender.put(kind, {**acting.origin, **acting.actor(), **event} if acting else event)

@quietly()
def record_bulk(event_type, model, objects, changes=None, using="default", **event):
    """Reports on commit what sends no signal: bulk_create, bulk_update, QuerySet.update, raw SQL. One event for each of
    objects, instances or keys; changes is {field: [old, new]}."""
    changes = changes and {name: [MASK, MASK] if secret(name) else pair for name, pair in changes.items()}
    for one in objects:
        image = {"after": images(one)[1]} if isinstance(one, models.Model) else {}
        changed(using, event_type, model, one, changed_fields=changes, **image, **event)

def plain(value):
    if isinstance(value, (bytes, memoryview)):
        return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()}"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)

def depth(value):
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, inner), default=0) if isinstance(value, (dict, list, tuple)) else 0

def encode(event):
    """A line of JSON. What the collector would refuse (too large, too deep, no JSON) is left out, and named."""
    dump = functools.partial(json.dumps, default=plain, separators=(",", ":"), allow_nan=False)
    with suppress(TypeError, ValueError, RecursionError):
        line = dump(event)
        if len(line) <= EVENT and (line.count("{") + line.count("[") < 60 or depth(event) < 60):
            return line.encode() + b"\n"
    rest = {n: v[:2048] if isinstance(v, str) else v for n, v in event.items() if n not in BULKY}
    return dump({**rest, "extra_data": {"_left_out": sorted(BULKY & event.keys())}}).encode() + b"\n"

def locked(path):
    """Opens a file of lines, for this process alone as long as it lives: two never send it, and a dead one's is free."""
    file = open(path, "ab+", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600))
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.path, file.sent, file.size = path, 0, os.fstat(file.fileno()).st_size
    return file

class Sender:
    """An event is first a line in this process's own file; from there one thread sends it. Nothing waits for a timer: a
    request has what came while the one before was on its way. The file is synced when the collector does not take it."""

    def __init__(self):  # again in a forked process: what its parent holds is the parent's to send
        self.lock, self.wake, self.thread, self.own, self.files = threading.Lock(), threading.Event(), None, None, []
        self.full, self.delay, self.retry_at, self.hidden = False, 0, 0, {}
        self.name, self.numbers = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}", itertools.count(1)

    def put(self, kind, event):
        if not conf()["enabled"]:
            return
        event = {"id": str(uuid.uuid4()), "kind": kind, "datetime": now(), "service": conf()["service"],
                 "producer": self.name, "producer_seq": next(self.numbers), **event}
        line = encode({name: value for name, value in event.items() if value is not None})
        with self.lock:
            if self.own is None or self.own.size > FILE:
                conf()["spool_dir"].mkdir(0o700, parents=True, exist_ok=True)
                self.own = locked(conf()["spool_dir"] / f"{os.getpid()}-{uuid.uuid4().hex}.jsonl")
                self.files.append(self.own)
            if self.full or self.own.write(line) != len(line):
                self.own.truncate(self.own.size)
                raise OSError("the spool is full")
            self.own.size += len(line)
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self.run, name="activitylog", daemon=True)
                self.thread.start()
        self.wake.set()

    def hide(self, value):
        """A word for a token: itself it stays in memory, and never gets to the disk."""
        word = f"@{uuid.uuid4().hex}"
        with self.lock:
            self.hidden[word] = value
            if len(self.hidden) > HIDDEN:
                del self.hidden[next(iter(self.hidden))]
        return word

    def reveal(self, match):
        """The token of such a word; nothing of one that is forgotten. A value of another name only looks like it."""
        name, word = match[1].decode(), match[2].decode()
        if not secret(name.replace("-", "_")):
            return match[0]
        return f'"{name}":{json.dumps(self.hidden.get(word, ""))}'.encode()

    def flush(self, timeout=5.0):
        """Waits until the collector has every event; what it does not take waits on disk."""
        end = time.monotonic() + timeout
        while any(file.sent < file.size for file in self.files) and not self.delay and time.monotonic() < end:
            time.sleep(0.01)

    def run(self):
        while True:
            self.wake.clear()
            if not any([self.forward(file) for file in self.files[:]]):  # nothing to send, or nobody to send it to
                self.settle()
                self.wake.wait(IDLE)

    @quietly()
    def forward(self, file):
        """Sends about a megabyte of a file; False when there is nothing left or the collector is away."""
        if time.monotonic() < self.retry_at:
            return False
        size, data = file.size, os.pread(file.fileno(), CHUNK, file.sent)
        lines = data[:data.rfind(b"\n") + 1].splitlines(keepends=True)
        if lines and self.send(lines):
            file.sent += sum(map(len, lines))
            return True
        with self.lock:
            if not lines and size == file.size and file is self.own:
                file.truncate(0)
                file.sent = file.size = 0
            elif not lines and size == file.size:
                file.path.unlink(missing_ok=True)
                file.close()
                self.files.remove(file)
        return False

    @quietly()
    def settle(self):
        """Makes sure of what waits, and takes over what dead processes have left."""
        for file in self.files if self.delay else ():
            os.fsync(file.fileno())
        found = {path: path.stat() for path in conf()["spool_dir"].glob("*.jsonl")}
        self.full = sum(stat.st_size for stat in found.values()) > conf()["spool_bytes"]
        for path in found.keys() - {file.path for file in self.files}:
            with suppress(OSError):  # its process lives, or is about to lock it
                if found[path].st_size or found[path].st_mtime < time.time() - 60:
                    self.files.append(locked(path))

    def send(self, lines):
        """True once the collector has judged every line: it has it, or refuses it for good."""
        try:
            answer = self.post(b"".join(lines))
            refused = answer.get("rejected")  # only the collector says that
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as e:
            answer, refused = {"code": type(e).__name__}, None
        if refused is None and answer.get("status") in (400, 413):  # all of it: find the line it is about
            if half := len(lines) // 2:
                return self.send(lines[:half]) and self.send(lines[half:])
            refused = [answer]
        if refused is None:
            if not self.delay:
                logger.warning("the collector takes no events (%s): they wait in %s", answer.get("code"), conf()["spool_dir"])
            self.delay = min(max(1, 2 * self.delay), RETRY)
            self.retry_at = time.monotonic() + self.delay
            return False
        for one in refused:
            logger.error("the collector refused event %s: %s", one.get("id"), one.get("code"))
        self.delay = 0
        return True

    def post(self, body):
        headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {conf()['token']}"}
        body = re.sub(b'"([a-z0-9-]+)":"(@[0-9a-f]{32})"', self.reveal, body)
        request = urllib.request.Request(conf()["endpoint"], body, headers)
        tls = ssl.create_default_context(cafile=conf()["ca_file"]) if conf()["ca_file"] else None
        try:
            with urllib.request.urlopen(request, timeout=conf()["timeout"], context=tls) as response:
                return json.load(response)
        except urllib.error.HTTPError as e:
            return json.load(e)

sender = Sender()
os.register_at_fork(after_in_child=sender.__init__)
atexit.register(sender.flush)
