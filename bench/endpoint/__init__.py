"""A Blob endpoint that keeps what a listing shows (names, lengths, MD5s, metadata) and drops every body.

It exists so that the receiving end is never what a benchmark measures: bodies are discarded inside the
kernel (`MSG_TRUNC`, tcp(7)) and never copied to this process, unless `--verify-md5` asks for them to be
hashed.

`python -m bench.endpoint` runs it: `__main__` parses options, `connection` speaks HTTP/1.1, `service`
answers requests, `blobs` holds what is stored, `limits` slows down and refuses. It speaks path-style URLs
(`http://127.0.0.1:PORT/devstoreaccount1/<container>/<blob>`) and accepts every credential. It doesn't do
TLS, leases, snapshots, tiers, tags or chunked request bodies, and it forgets everything when it ends.
"""
