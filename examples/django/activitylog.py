"""Reports what happens in a Django project to otelcol-activitylog. Copy this one file; its README.md has the rest.

    INSTALLED_APPS = [..., "activitylog.ActivityLog"]
    MIDDLEWARE = ["activitylog.middleware", ...]   # first, so that it sees every answer
    ACTIVITYLOG_PRODUCER = {"service": "shop"}     # every key: DEFAULTS
"""
import atexit, collections, contextvars, datetime, fcntl, functools, hashlib, itertools, json, logging  # noqa: E401
import os, pathlib, re, socket, threading, time, urllib.parse, urllib.request, uuid  # noqa: E401
from contextlib import suppress
from asgiref.sync import iscoroutinefunction
from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model, signals as auth
from django.db import connections, models, transaction
from django.utils.decorators import sync_and_async_middleware

DEFAULTS = {
    "enabled": True, "service": "django", "endpoint": "http://127.0.0.1:4319/v1/events", "token": "", "timeout": 5.0,
    "spool_dir": "activitylog-spool", "spool_bytes": 256 << 20, "mask_fields": r"(?!)",  # the rest: regular expressions
    "headers": r"authorization|x-forwarded-for|forwarded|x-real-ip|user-agent|sec-ch-ua.*|host|origin|x-frontend-url|"
               r"access-control-request-method|sec-fetch-site|traceparent|x-request-id|x-correlation-id",
    "exclude_models": r"(sessions\.session|admin\.logentry|auth\.permission|contenttypes|migrations|authtoken)\b.*",
}
SECRET = (r"passw|passphrase|secret|token|(api|access|private)_?key|credential|authorization|cookie|jwt|pwd|otp|"
          r"session_?(key|data|id)|(^|_)(pass|pin|cvv|cvc|sid|sig)$")
MASK, BULKY = "***", {"before", "after", "changed_fields", "extra_data", "object_repr"}
EVENT, CHUNK, IDLE, RETRY, HIDDEN = 256 << 10, 1 << 20, 2.0, 5.0, 5000  # bytes; seconds; tokens in memory
LOGINS = {auth.user_logged_in: "login", auth.user_logged_out: "logout", auth.user_login_failed: "login_failed"}
logger, current = logging.getLogger("activitylog"), contextvars.ContextVar("activitylog", default=None)
now = functools.partial(datetime.datetime.now, datetime.timezone.utc)

@functools.cache
def conf():
    given = getattr(settings, "ACTIVITYLOG_PRODUCER", {})
    if unknown := given.keys() - DEFAULTS.keys():
        raise KeyError(f"ACTIVITYLOG_PRODUCER has no {sorted(unknown)}; it has {sorted(DEFAULTS)}")
    folder = pathlib.Path(getattr(settings, "BASE_DIR", "."), given.get("spool_dir") or DEFAULTS["spool_dir"])
    return {**DEFAULTS, **given, "spool_dir": folder.absolute()}

@functools.lru_cache(maxsize=1000)
def secret(name):
    return re.search(f"{SECRET}|{conf()['mask_fields']}", name.replace("-", "_"), re.IGNORECASE) is not None

def quietly(*signals):  # called on these; what goes wrong is logged, and never reaches the project's own code
    def decorate(function):
        def wrapper(*args, **kwargs):
            try:
                return function(*args, **kwargs) if conf()["enabled"] else None
            except Exception as e:
                logger.error("not recorded: %s in %s", type(e).__name__, function.__name__)
        for signal in signals:
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
            headers = {n.lower(): sender.hide(v) if secret(n) else v
                       for n, v in request.headers.items() if re.fullmatch(conf()["headers"], n, re.IGNORECASE)}
            self.origin = {"headers": headers, "peer_address": request.META.get("REMOTE_ADDR") or None}
    def __enter__(self):
        self.outer = current.set(self)
        return self
    @quietly()
    def __exit__(self, kind, error, _):
        current.reset(self.outer)
        if (response := self.response) is not None:
            response._resource_closers.append(self.finish)  # when the server closes it: its last byte is out then
            if parts := response.streaming and not response.has_header("Content-Length") and response.streaming_content:
                response.streaming_content = (
                    (self.count(p) async for p in parts) if response.is_async else map(self.count, parts))
        elif self.request is not None:
            self.finish(type(error).__name__)
    def count(self, part):
        self.streamed += len(part)
        return part
    @quietly()
    def finish(self, reason=None):
        request, response = self.request, self.response  # CommonMiddleware gives the length of what is no stream
        size = response and (response.get("Content-Length") or self.streamed)
        taken, given = (int(n) if str(n).isdecimal() else None for n in (request.META.get("CONTENT_LENGTH"), size))
        query = re.sub("([^&=]+)=[^&]*", lambda m: f"{m[1]}={MASK}" if secret(urllib.parse.unquote(m[1])) else m[0],
                       request.META.get("QUERY_STRING", ""))
        record("request", self, datetime=self.datetime, method=request.method, url=request.path, query_string=query,
               route=request.resolver_match and request.resolver_match.route, reason=reason, request_body_size=taken,
               response_status=response and response.status_code, response_body_size=given,
               response_time_ms=round((time.perf_counter() - self.started) * 1000, 3))
    def actor(self):  # once known it stays; nothing is asked that Django would not have asked
        with suppress(Exception):  # no session table, a broken user model: then nobody is named
            self.known or self.name(getattr(self.request, "_acached_user", None) or self.request.user)
        nobody = self.origin and not self.known and "authorization" not in self.origin["headers"]
        return {"actor_type": "anonymous"} if nobody else self.known
    def name(self, user):
        if user.is_authenticated and user.pk is not None:
            self.known = {"user_id": str(user.pk), "username": user.get_username()}
            session = getattr(self.request, "session", None)
            if session is not None and session.accessed and session.get(SESSION_KEY) == str(user.pk):  # no query
                digest = hashlib.sha256((session.session_key or "").encode()).hexdigest()  # the key opens the session
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

def label(model):  # app_label.model; nothing when it is not reported
    name = model._meta.concrete_model._meta.label_lower
    return "" if re.fullmatch(conf()["exclude_models"], name) else name

def images(instance, update_fields=None, old=None):
    before, after = {}, {}  # as {field: value}: the fields that are loaded and written, secrets masked
    for f in instance._meta.concrete_fields:
        written = update_fields is None or f.name in update_fields or f.attname in update_fields
        if f.attname in instance.__dict__ and written and not getattr(f, "generated", False):
            was, new = (old or {}).get(f.attname), instance.__dict__[f.attname]
            with suppress(Exception):  # "5" becomes the 5 that the database gave, and 1.5 its 1.50
                new = f.to_python(new)
            if secret(f.name):
                was, new = MASK, MASK if not old or was == new else f"{MASK} changed"
            before[f.name], after[f.name] = was, was if was == new and not isinstance(new, (dict, list)) else new
    return before, after

def changed(using, event_type, model, one, **event):  # sent on commit; one is an instance or a key
    if name := label(model):
        acting, key = current.get(), str(getattr(one, "pk", one))  # now: Django clears the key of what it deletes
        who = acting.actor() if acting else {}  # now, so that a user who deletes himself is still named
        if isinstance(one, models.Model):
            with suppress(Exception), connections[using].execute_wrapper(None):  # a text that needs a query fails
                event["object_repr"] = str(one)
        event |= {**who, "event_type": event_type, "datetime": now(), "content_type": name, "object_id": key}
        transaction.on_commit(functools.partial(record, "crud", acting, **event), using=using, robust=True)

@quietly(models.signals.pre_save)
def before_save(sender, instance, using, **_):
    instance._activitylog_before = None
    if label(sender) and instance.pk is not None and not (instance._state.adding and sender._meta.pk.has_default()):
        names = [f.attname for f in sender._meta.concrete_fields if f.attname in instance.__dict__]
        instance._activitylog_before = sender._base_manager.using(using).filter(pk=instance.pk).values(*names).first()

@quietly(models.signals.post_save, models.signals.post_delete)
def after_change(sender, instance, using, created=None, update_fields=None, **_):
    old = instance.__dict__.pop("_activitylog_before", None)
    before, after = images(instance, update_fields, old)
    what, before, after = {None: ("delete", after, None), True: ("create", None, after),
                           False: ("update", old and before, after)}[created]
    changed(using, what, sender, instance, before=before, after=after)

@quietly(models.signals.m2m_changed)
def m2m_changed(sender, instance, action, reverse, model, pk_set, using, **_):
    when, what = action.split("_")  # before, in its transaction: remove also names what is not there, clear nothing
    if when == "pre" and label(type(instance)):
        field = next(f for f in (model if reverse else instance)._meta.many_to_many if f.remote_field.through is sender)
        name = field.remote_field.get_accessor_name() if reverse else field.name
        own, other = (field.m2m_field_name(), field.m2m_reverse_field_name())[::-1 if reverse else 1]
        if what != "add":
            chosen = {own: instance} if pk_set is None else {own: instance, f"{other}__in": pk_set}
            pk_set = sender._base_manager.using(using).filter(**chosen).values_list(other, flat=True)
        if keys := sorted(pk_set, key=str):
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

def encode(event):  # a line; what the collector would refuse (too large, too deep, no JSON) is left out, and named
    dump = functools.partial(json.dumps, default=plain, separators=(",", ":"), allow_nan=False)
    with suppress(TypeError, ValueError, RecursionError):
        line = dump(event)
        if len(line) <= EVENT and (len(re.findall(r"[{[]", line)) < 60 or "\n" + " " * 60 not in dump(event, indent=1)):
            return line.encode() + b"\n"
    rest = {n: v[:2048] if isinstance(v, str) else v for n, v in event.items() if n not in BULKY}
    return dump({**rest, "extra_data": {"_left_out": sorted(BULKY & event.keys())}}).encode() + b"\n"

def locked(path):  # a file of lines, this process's as long as it lives: two never send it, and a dead one's is free
    file = open(path, "ab+", buffering=0, opener=functools.partial(os.open, mode=0o600))
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file

class Sender:
    """An event is first a line in this process's own file. One thread takes that file, sends it and removes it; what
    comes meanwhile goes to the next."""
    def __init__(self):  # again in a forked process: what its parent holds is the parent's to send
        self.lock, self.wake, self.hidden = threading.Lock(), threading.Event(), collections.deque(maxlen=HIDDEN)
        self.thread, self.own, self.files, self.full, self.retry_at = None, None, {}, False, 0  # files: bytes sent
        self.name, self.numbers = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}", itertools.count(1)
    def put(self, kind, event):
        event = {"id": str(uuid.uuid4()), "kind": kind, "datetime": now(), "service": conf()["service"],
                 "producer": self.name, "producer_seq": next(self.numbers), **event}
        line = encode({name: value for name, value in event.items() if value is not None})
        with self.lock:
            if self.own is None and not self.full:
                conf()["spool_dir"].mkdir(0o700, parents=True, exist_ok=True)
                self.own = locked(conf()["spool_dir"] / f"{os.getpid()}-{uuid.uuid4().hex}.jsonl")
                self.files[self.own] = 0
            if self.full or self.own.write(line) != len(line):
                self.own = None  # a torn line is the last of its file
                raise OSError("the spool is full")
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="activitylog", daemon=True)
                self.thread.start()
        self.wake.set()
    def hide(self, token):  # itself it stays in memory, and never gets to the disk
        self.hidden.append((word := f"@{uuid.uuid4().hex}", token))
        return word
    def flush(self, timeout=5.0):  # waits until the collector has every event; what it does not take waits on disk
        end = time.monotonic() + timeout
        while self.files and not self.retry_at and time.monotonic() < end:
            time.sleep(0.01)
    def run(self):
        while True:
            self.wake.clear()
            try:
                self.look()
                for file in list(self.files) if time.monotonic() >= self.retry_at else ():
                    self.forward(file)
                    self.retry_at = 0
            except Exception as e:
                if not self.retry_at:
                    logger.warning("events wait in %s: %s", conf()["spool_dir"], getattr(e, "reason", type(e).__name__))
                self.retry_at = time.monotonic() + RETRY
            self.wake.wait(IDLE)
    def look(self):  # how much waits; takes over what dead processes have left
        mine, size = {file.name for file in list(self.files)}, 0
        for path in conf()["spool_dir"].glob("*.jsonl"):
            with suppress(OSError):  # gone meanwhile, or its process lives
                size += (waiting := path.stat().st_size)
                if waiting and path not in mine:
                    self.files[locked(path)] = 0
        self.full = size > conf()["spool_bytes"]
    def forward(self, file):
        with self.lock:  # from here on it is only read
            self.own = None if file is self.own else self.own
        while data := os.pread(file.fileno(), CHUNK, self.files[file]).rpartition(b"\n")[0]:
            self.send(data.split(b"\n"))
            self.files[file] += len(data) + 1
        os.unlink(file.name)
        del self.files[file]
        file.close()
    def send(self, lines):  # returns when the collector has judged every line: it has it, or refuses it for good
        hidden, token = dict(self.hidden.copy()), conf()["token"]
        body = re.sub('"([a-z0-9-]+)":"(@[0-9a-f]{32})"', lambda m: f'"{m[1]}":{json.dumps(hidden.get(m[2], ""))}'
                      if secret(m[1]) else m[0], b"\n".join(lines).decode())
        headers = {"Content-Type": "application/x-ndjson", **({"Authorization": f"Bearer {token}"} if token else {})}
        request = urllib.request.Request(conf()["endpoint"], body.encode(), headers)
        try:
            answer = json.load(urllib.request.urlopen(request, timeout=conf()["timeout"]))
        except urllib.request.HTTPError as e:
            answer = json.load(e)
        if "rejected" not in answer and answer.get("status") not in (400, 413):  # not the collector, or not now
            raise urllib.request.URLError(answer.get("code", "no collector answers"))
        if "rejected" not in answer and len(lines) > 1:  # all of it: find the line it is about
            return [self.send([line]) for line in lines]
        for one in answer.get("rejected", [answer]):
            logger.error("the collector refused event %s: %s", one.get("id"), one.get("code"))

sender = Sender()
os.register_at_fork(after_in_child=sender.__init__)
atexit.register(sender.flush)
