"""Names and numbers of classes, however they are written."""

import unicodedata

import pytest

from lightning_flowers.data.class_names import clean_name, read_number


@pytest.mark.parametrize("written", ["\N{LATIN SMALL LETTER A WITH DIAERESIS}hre", "\N{HANGUL SYLLABLE GAG}", "é ü"])
def test_a_name_is_one_in_both_of_unicode_s_forms(written: str) -> None:
    forms = {unicodedata.normalize(form, written) for form in ("NFC", "NFD")}
    assert len(forms) == 2
    assert {clean_name(form) for form in forms} == {written}


@pytest.mark.parametrize("written", [" wild rose ", "wild\xa0rose", "\ufeffwild rose", "wi\u200bld \t rose\u2028"])
def test_blanks_and_invisible_characters_make_no_other_name(written: str) -> None:
    assert clean_name(written) == "wild rose"


@pytest.mark.parametrize("written", ["12", " 12 ", "12.0", "12.", "012", "12.000\xa0", "\ufeff12"])
def test_a_whole_number_is_read_however_it_is_written(written: str) -> None:
    assert read_number(written) == 12


@pytest.mark.parametrize(
    "written", ["1.5", "-1", "\u22121", "+1", "1e1", "1E+02", "1,000", "1 000", "1'000", "1_000", "nan", "NaN", "1.0.0"]
)
def test_another_number_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is a number, but no whole one from 0"):
        read_number(written)


@pytest.mark.parametrize("written", ["rose", "2 lips", "1-2", "e1", "0x1f", "50%", "n02", "", "...", "banana"])
def test_a_word_is_no_number(written: str) -> None:
    assert read_number(written) is None
