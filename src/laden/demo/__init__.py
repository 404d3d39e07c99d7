"""What `laden demo` needs besides laden itself: a sample dataset and an emulator to load it into.

`sample` writes archives and a table shaped as PADCHEST's publisher ships them, with a few defects that laden
should find; `emulator` runs Microsoft's Azurite. The command itself is in `laden.cli`. A real load uses
nothing of this.
"""
