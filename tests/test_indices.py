"""Every index is that of Awesome Spectral Indices, and is found by its name."""

import re
import warnings

import numpy as np
import pytest

from hydro_pipeline.composite.formulas import Formulas
from hydro_pipeline.composite.kernel import observe_block
from hydro_pipeline.indices import INDICES, band_variable, product, product_of, variables
from hydro_pipeline.sensors import SENSORS, SENTINEL_2, sensor
from hydro_pipeline.variable import ONE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import spyndex

LETTERS = {
    "blue": "B", "green": "G", "red": "R", "rededge1": "RE1", "rededge2": "RE2", "rededge3": "RE3",
    "nir": "N", "nir08": "N2", "swir16": "S1", "swir22": "S2",
}  # fmt: skip
CONSTANTS = {"g": 2.5, "C1": 6.0, "C2": 7.5}
NAMES = {
    "ndvi": "NDVI", "gndvi": "GNDVI", "ndre1": "NDREI", "ndmi": "NDMI", "ndwi": "NDWI",
    "mndwi": "MNDWI", "ndti": "NDTI", "ndtilli": "NDTillI", "nbr": "NBR", "ndbi": "NDBI",
    "ndyi": "NDYI", "ngrdi": "NGRDI", "bsi": "BI", "evi": "EVI", "evi2": "EVI2", "savi": "SAVI",
    "osavi": "OSAVI", "vari": "VARI", "psri": "PSRI", "cig": "CIG",
    "cire": "CIRE", "mtci": "MTCI", "sr": "SR", "msi": "MSI",
}  # fmt: skip
"""As Awesome Spectral Indices calls them."""
BANDS = {band.name: band for band in SENTINEL_2.bands}
RNG = np.random.default_rng(16)


def reflectance(side=40):
    """Digital numbers of every band, without offset."""
    return {name: RNG.integers(200, 6000, (side, side)).astype(np.uint16) for name in LETTERS}


def computed(names, dn, offset=0.0):
    """(variable, y, x) as stored, from one scene that is all clear."""
    made = product(names, SENTINEL_2, (4,), 0)
    scene = [dn[band.name] for band in made.bands]
    clear = np.ones(scene[0].shape, np.bool_)
    formulas = Formulas.of(made)
    seen = observe_block([scene], [clear], np.array([offset], np.float32), formulas, clear.shape)
    return made, seen.values


def test_the_table_below_names_every_index():
    assert NAMES.keys() | {"ndre2", "ndre3"} == INDICES.keys()


@pytest.mark.parametrize("name", INDICES)
def test_an_index_is_what_awesome_spectral_indices_says(name):
    dn = reflectance()
    made, (values,) = computed([name], dn)
    (variable,) = made.variables
    red_edge = {"ndre2": "RE2", "ndre3": "RE3"}.get(name)
    parameters = {LETTERS[band]: dn[band] / 1e4 for band in variable.bands}
    if red_edge:
        parameters["RE1"] = parameters.pop(red_edge)
    constants = CONSTANTS | {"L": 0.5 if name == "savi" else 1.0}
    short = NAMES.get(name, "NDREI")
    truth = spyndex.computeIndex(short, parameters | constants)
    low, high = variable.valid
    assert (
        np.abs(values * variable.scale - np.clip(truth, low, high)).max()
        <= variable.scale / 2 + 1e-9
    )


@pytest.mark.parametrize("name", BANDS)
def test_a_band_is_its_digital_numbers_with_the_offset(name):
    dn = reflectance()
    _, (values,) = computed([name], dn, offset=-0.1)
    np.testing.assert_array_equal(values, dn[name].astype(int) - 1000)


def test_all_together_are_what_each_is_alone():
    dn = reflectance()
    names = [*INDICES, *BANDS]
    _, together = computed(names, dn, offset=-0.1)
    alone = [computed([name], dn, offset=-0.1)[1][0] for name in names]
    # Where one is undefined a pixel is not observed at all.
    seen = np.all([values != -32768 for values in alone], axis=0)
    assert 0.3 < seen.mean() < 1
    for made, right in zip(together, alone, strict=True):
        np.testing.assert_array_equal(made, np.where(seen, right, -32768))


@pytest.mark.parametrize("variable", [*INDICES.values(), *map(band_variable, SENTINEL_2.bands)])
def test_what_is_shown_and_stored_lies_within_what_is_valid(variable):
    low, high = variable.valid
    assert low <= variable.shown[0] < variable.shown[1] <= high
    assert max(map(abs, variable.limits)) <= 32767
    values = [value for value, _ in variable.colours]
    assert values == sorted(set(values))
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for _, colour in variable.colours)
    assert variable.long_name[:1].islower() or variable.name == "mtci"


def test_a_formula_is_written_in_bands():
    assert INDICES["ndvi"].formula == "(nir - red) / (nir + red)"
    assert INDICES["evi"].formula == "(2.5 nir - 2.5 red) / (nir + 6 red - 7.5 blue + 1)"
    assert INDICES["sr"].formula == "nir / red"
    assert band_variable(BANDS["nir"]).formula == "nir"
    assert INDICES["evi"].bands == ("nir", "red", "blue")


def test_a_difference_below_may_be_negative_a_sum_may_not():
    """EVI over a bright blue cloud is clipped; NDVI of negative reflectances is undefined."""
    dn = {name: np.full((1, 1), 1, np.uint16) for name in LETTERS}
    dn |= {"blue": np.full((1, 1), 9000, np.uint16), "nir": np.full((1, 1), 9000, np.uint16)}
    # 2.5 (0.9 - 0.0001) / (0.9 + 0.0006 - 6.75 + 1) = -0.46
    _, (values,) = computed(["evi"], dn)
    assert values.item() == -4639
    dn = {name: np.full((1, 1), 900, np.uint16) for name in LETTERS}
    _, (values,) = computed(["ndvi"], dn, offset=-0.1)
    assert values.item() == -32768


def test_a_band_too_bright_to_be_stored_is_not_observed():
    """What is stored of a band is exact, so that an index can be made of it later."""
    dn = {name: np.array([[32_767, 32_768]], np.uint16) for name in LETTERS}
    _, (values,) = computed(["nir"], dn)
    assert values.tolist() == [[32_767, -32_768]]
    dn = {name: np.array([[33_767, 33_768, 1, 0]], np.uint16) for name in LETTERS}
    _, (values,) = computed(["nir"], dn, offset=-0.1)
    assert values.tolist() == [[32_767, -32_768, -999, -32_768]]


def test_names_are_found_in_whatever_letters():
    found = variables(["NDRE", "BI", "Red"], SENTINEL_2)
    assert [variable.name for variable in found] == ["ndre1", "bsi", "red"]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["ndvi", "NDVI"], "each once: ndvi, NDVI"),
        ([], "name at least one variable, each once: none"),
        (["msavi"], "the index 'msavi' cannot be had: it is not a ratio"),
        (["lst"], "there is no variable 'lst'; known are ndvi, gndvi"),
    ],
)
def test_what_cannot_be_measured_is_told(names, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        variables(names, SENTINEL_2)


@pytest.mark.parametrize("names", [["ndvi"], ["evi", "red"], list(INDICES)])
def test_a_product_comes_back_from_its_meaning(names):
    made = product(names, SENSORS["sentinel-2-c1-l2a"], (4, 5), 20.0)
    again = product_of(made.meaning())
    assert again.meaning() == made.meaning()
    assert again.version == made.version
    assert again.variables == made.variables


def test_a_variable_of_a_later_version_is_shown_by_its_name():
    meaning = product(["red"], SENTINEL_2, (4,), 0).meaning()
    told = {"top": {"red": 2.0}, "bottom": {ONE: 3.0}, "valid": [0.0, 2.0], "scale": 1e-3}
    later = product_of(meaning | {"variables": {"haze": told}})
    assert later.main.title == "haze"
    assert later.main.shown == (0.0, 2.0)
    assert later.meaning() == meaning | {"variables": {"haze": told}}


def test_a_collection_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="'landsat-c2-l2' is not known; known are sentinel-2-l2a"):
        sensor("landsat-c2-l2")
