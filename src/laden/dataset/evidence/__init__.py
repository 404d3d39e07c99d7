"""What the publisher says of the archives, held against them: checksum files and listings that lie beside the data.

`listing` compares `0.zip.unzip-l.txt` with the archive's directory, which costs nothing and is always done. `checksums`
hashes what `SHA256SUMS`, `sha1sums.txt` and their like name, which reads every byte and is done when asked for. Whose
word is not to be trusted, a person may name (`Trust`). Nothing here decides what is loaded.
"""

from laden.dataset.evidence.checksums import check_sums, find_sums, is_sum_list, is_sums, parse_sums
from laden.dataset.evidence.listing import compared, is_listing
from laden.dataset.evidence.trust import Trust

__all__ = ["Trust", "check_sums", "compared", "find_sums", "is_listing", "is_sum_list", "is_sums", "parse_sums"]
