"""ClickHouse's engine (chdb) in this process: a few sessions over one data folder, one query at a time in each."""
import os
import queue
import re
import tempfile

from chdb import session as chdb_session

# INSERT ... FORMAT X with the data after a newline, all in one body.
DATA_IN_QUERY = re.compile(rb"\A(.*?\bFORMAT\s+\w+)[ \t]*\r?\n(.*)\Z", re.I | re.S)
INSERT = re.compile(r"^\s*(?:/\*.*?\*/\s*|--[^\n]*\n\s*)*INSERT\s+INTO\b", re.I | re.S)
FORMAT_LAST = re.compile(r"^(.*?)\s+FORMAT\s+(\w+)\s*;?\s*$", re.I | re.S)
VALUES_LAST = re.compile(r"\bVALUES\s*;?\s*$", re.I)
NAME = re.compile(r"\w+")


def identifier(name):
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def literal(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Engine:
    def __init__(self, data, spool, sessions):
        os.makedirs(data, exist_ok=True)
        self.spool = spool
        self.sessions = [chdb_session.Session(os.path.abspath(data)) for _ in range(sessions)]
        self.free = queue.Queue()
        for session in self.sessions:
            self.free.put(session)
        first = self.sessions[0]
        self.version, self.timezone = first.query("SELECT version(), timezone()", "TSV").bytes().decode().split()
        first.query("CREATE DATABASE IF NOT EXISTS default ENGINE = Atomic", "CSV")

    def close(self):
        for session in self.sessions:
            session.close()

    def run(self, database, settings, work):
        """Calls work(session) with a session of its own, in the database and under the settings of this query alone."""
        names = [name for name in settings if NAME.fullmatch(name)]
        session = self.free.get()
        try:
            session.query("USE " + identifier(database), "CSV")
            if not names:
                return work(session)
            session.query("SET " + ", ".join(f"{name}={literal(settings[name])}" for name in names), "CSV")
            try:
                return work(session)
            finally:
                session.query("SET " + ", ".join(f"{name}=DEFAULT" for name in names), "CSV")
        finally:
            self.free.put(session)

    def insert(self, session, query, parts):
        """INSERT with its data in the parts that follow the query."""
        named = FORMAT_LAST.match(query)
        if named:
            head, data_format = named.group(1), named.group(2)
        elif VALUES_LAST.search(query):
            head, data_format = query, "Values"
        else:
            data = b"".join(parts)  # INSERT ... SELECT, or values already in the query
            session.query(query + ("\n" + data.decode() if data else ""), "CSV")
            return
        # Not session.send_insert(): its finish() reports rows and no error when the table refuses the block (a
        # constraint, max_partitions_per_insert_block), and the rows are lost in silence. FROM INFILE raises.
        head = VALUES_LAST.sub("", head)
        handle, path = tempfile.mkstemp(suffix=".block", dir=self.spool)
        try:
            with os.fdopen(handle, "wb") as spooled:
                for data in parts:
                    spooled.write(data)
                size = spooled.tell()
            if size:
                session.query(f"{head} FROM INFILE {literal(path)} COMPRESSION 'none' FORMAT {data_format}", "CSV")
        finally:
            os.unlink(path)
