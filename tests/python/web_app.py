"""A web app as a test sees one: enqueues through SQL in its own transactions and through HTTP, and reads a result back.

Reads DATABASE_URL, CONSOLE, API_KEY, MEDIA_ROOT and FIELD_ENCRYPTION_KEYS from the environment. Prints one JSON object.
"""

import json
import os
import sys
import urllib.error
import urllib.request

import psycopg
from cryptography.fernet import Fernet, MultiFernet


def upload(connection, user, name, content):
    """Stores the file, and in the caller's transaction the document's row and its job. Returns (document id, job id)."""
    path = f"documents/user_{user}/{name}"
    target = os.path.join(os.environ["MEDIA_ROOT"], path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as file:
        file.write(content)
    (document,) = connection.execute(
        "insert into celeriac.documents (user_id, file_path, file_name) values (%s, %s, %s) returning id", [user, path, name]
    ).fetchone()
    (job,) = connection.execute(
        "select celeriac.enqueue('process_document', %s)", [json.dumps({"document_id": document})]
    ).fetchone()
    return document, job


def post(body, key):
    """POSTs a job. Returns (status, answer)."""
    request = urllib.request.Request(
        os.environ["CONSOLE"] + "api/v1/jobs",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def enqueue():
    with open(sys.argv[2], "rb") as file:
        content = file.read()
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("insert into celeriac.consents (user_id) values (7)")
        committed, committed_job = upload(connection, 7, "committed.pdf", content)
        connection.commit()
        _, rolled_back_job = upload(connection, 7, "rolled-back.pdf", content)
        connection.rollback()
        # The row alone; its job comes over HTTP.
        (over_http,) = connection.execute(
            "insert into celeriac.documents (user_id, file_path, file_name) values (7, 'documents/user_7/committed.pdf', 'over-http.pdf') returning id"
        ).fetchone()
        connection.commit()
    job = {"job": "process_document", "args": {"document_id": over_http}, "id": f"document-{over_http}"}
    first, second = post(job, os.environ["API_KEY"]), post(job, os.environ["API_KEY"])
    stranger = post(job, "not-a-key")
    return {
        "committed": committed,
        "committed_job": committed_job,
        "rolled_back_job": rolled_back_job,
        "over_http": over_http,
        "first": first,
        "second": second,
        "stranger": stranger[0],
    }


def read():
    ring = MultiFernet([Fernet(key) for key in os.environ["FIELD_ENCRYPTION_KEYS"].split(",")])
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        rows = connection.execute("select id, ai_summary from celeriac.documents where status = 'completed' order by id").fetchall()
    return {str(document): json.loads(ring.decrypt(token.encode())) for document, token in rows}


if __name__ == "__main__":
    print(json.dumps({"enqueue": enqueue, "read": read}[sys.argv[1]]()))
