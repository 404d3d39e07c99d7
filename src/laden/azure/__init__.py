"""The management plane: what portals click together, as commands. Behind the extra `laden[azure]`.

`clients` finds the cloud, the subscription and who is signed in, and opens Microsoft's clients; `refusals` turns
what Resource Manager answers into sentences; `account`, `role` and `container` do the work. Blobs are the store's part.
"""
