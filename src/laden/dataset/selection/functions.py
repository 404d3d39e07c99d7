"""What a condition may call: functions of values alone, that give the same for the same row on any day and machine.

A list of what is allowed, not of what is not: a function that a later DuckDB brings is refused until it stands here.
None of these reads a file, a setting, a clock, another relation, or chance, and none makes a text as long as a number
in the condition says: `lpad('x', 1000000000, 'y')` would take all memory.
"""

from __future__ import annotations

_OPERATORS = "+ - * / // % ** ^ || ~~ !~~ ~~* !~~* ~~~ @> <@ && ^@"
_NUMBERS = (
    "abs add ceil ceiling cbrt divide exp fdiv floor fmod gcd greatest isfinite isinf isnan lcm least ln log log10"
    " log2 mod multiply pow power round round_even sign sqrt subtract trunc"
)
_TEXT = (
    "array_to_string ascii char_length character_length chr concat concat_ws contains damerau_levenshtein ends_with"
    " ilike_escape instr jaccard jaro_similarity jaro_winkler_similarity lcase left length levenshtein like_escape"
    " lower ltrim md5 nfc_normalize not_ilike_escape not_like_escape ord position prefix regexp_escape"
    " regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace regexp_split_to_array replace"
    " reverse right rtrim sha1 sha256 split split_part starts_with str_split str_split_regex string_split"
    " string_split_regex string_to_array strip_accents strlen strpos substr substring suffix translate trim ucase"
    " unicode upper"
)
_DATES = (
    "century date_add date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname"
    " dayofmonth dayofweek dayofyear days_in_month decade epoch isodow isoyear julian last_day make_date month"
    " monthname quarter strftime strptime to_days to_months to_weeks to_years try_strptime week weekday weekofyear"
    " year yearweek"
)
_LISTS = (
    "apply array_append array_apply array_cat array_concat array_contains array_distinct array_extract array_filter"
    " array_has array_has_all array_has_any array_indexof array_intersect array_length array_position array_slice"
    " array_sort array_transform array_unique element_at filter flatten len list_any_value list_append list_apply"
    " list_avg list_bool_and list_bool_or list_cat list_concat list_contains list_count list_distinct list_element"
    " list_extract list_filter list_first list_has list_has_all list_has_any list_indexof list_intersect list_last"
    " list_max list_min list_pack list_position list_reverse list_reverse_sort list_slice list_sort list_sum"
    " list_transform list_unique list_value row unnest"
)
_CHOICES = "if ifnull nullif"
_OF_MANY_ROWS = (
    "any_value arg_max arg_min avg bool_and bool_or count count_if count_star list max mean median min mode quantile"
    " quantile_cont quantile_disc stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance"
)

ALLOWED = frozenset(" ".join((_OPERATORS, _NUMBERS, _TEXT, _DATES, _LISTS, _CHOICES, _OF_MANY_ROWS)).split())
"""Names in lower case, as DuckDB parses them: `LIKE` is `~~`, `IN` over a list is `contains`."""
