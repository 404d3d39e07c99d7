"""Temporary folders, and their end."""

from laden.values.scratch import make_folder, remove_all, remove_folder


def test_a_folder_is_gone_once_removed_and_all_at_once() -> None:
    one, two, three = (make_folder("laden-test-") for _ in range(3))
    (one / "file").write_text("x")
    remove_folder(one)
    assert [folder.exists() for folder in (one, two, three)] == [False, True, True]
    remove_all()
    assert not two.exists()
    assert not three.exists()
