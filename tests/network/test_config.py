"""What a configuration refuses, keeps, and says of the weights."""

import json
from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from film.errors import OptionError
from film.network import FilmConfig, FilmNetwork, compact, published

from .conftest import SMALL, SMALL_SEARCHED


@st.composite
def configurations(draw: st.DrawFn) -> FilmConfig:
    levels = draw(st.integers(2, 5))
    specialized = draw(st.integers(1, levels - 1))
    count = specialized + 1
    fused = draw(st.integers(1, levels))
    head: Literal["rgb", "blend"] = draw(st.sampled_from(["rgb", "blend"]))
    return FilmConfig(
        pyramid_levels=levels,
        fusion_pyramid_levels=fused,
        specialized_levels=specialized,
        sub_levels=draw(st.integers(1, specialized + 1)),
        filters=draw(st.integers(1, 3)),
        flow_convs=tuple(draw(st.lists(st.integers(1, 2), min_size=count, max_size=count))),
        flow_filters=tuple(draw(st.lists(st.sampled_from([2, 4, 6]), min_size=count, max_size=count))),
        flow_passes=tuple(draw(st.sampled_from([[], [1] * count, [2] * count]))),
        head=head,
        any_instant=draw(st.booleans()),
        refined=head == "blend" and draw(st.booleans()),
        projected=draw(st.booleans()),
        multi_hypothesis=head == "blend" and draw(st.booleans()),
        searched_levels=draw(st.integers(0, levels))
        if (2 if head == "blend" else 1) * 2 ** ((fused if head == "blend" else levels) - 1) >= 12
        else 0,
    )


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("pyramid_levels", 0, "at least 1"),
        ("fusion_pyramid_levels", -1, "at least 1"),
        ("specialized_levels", 0, "at least 1"),
        ("sub_levels", 0, "at least 1"),
        ("filters", 0, "at least 1"),
        ("filters", 4.0, "whole number"),
        ("filters", True, "whole number"),
        ("pyramid_levels", "4", "whole number"),
        ("fusion_pyramid_levels", 5, "can't exceed pyramid_levels"),
        ("specialized_levels", 4, "below pyramid_levels"),
        ("sub_levels", 4, "can't exceed specialized_levels"),
        ("flow_convs", (1, 1), "needs 3 entries"),
        ("flow_convs", (1, 0, 1), "at least 1"),
        ("flow_convs", 3, "tuple"),
        ("flow_convs", [1, 1, 1], "tuple"),
        ("flow_filters", (4, 4, 4, 4), "needs 3 entries"),
        ("flow_filters", (4, -4, 4), "at least 1"),
        ("flow_filters", (4, 3, 4), "even"),
        ("flow_passes", (1, 1), "needs 3 entries"),
        ("flow_passes", (1, 0, 1), "at least 1"),
        ("head", "hsv", "'rgb' or 'blend'"),
        ("any_instant", "yes", "true or false"),
        ("refined", 1, "true or false"),
        ("refined", True, "needs the blend head"),
        ("projected", 0, "true or false"),
        ("multi_hypothesis", 1, "true or false"),
        ("multi_hypothesis", True, "needs the blend head"),
        ("searched_levels", -1, "at least 0"),
        ("searched_levels", True, "whole number"),
        ("searched_levels", 5, "can't exceed pyramid_levels"),
        ("searched_levels", 1, "at least 12 pixels"),
    ],
)
def test_a_broken_invariant_is_refused_by_its_name(name: str, value: Any, complaint: str) -> None:
    with pytest.raises(OptionError, match=complaint) as refused:
        FilmConfig(**{**SMALL.__dict__, name: value})
    assert str(refused.value).startswith(name)


@given(configurations())
def test_json_keeps_every_value(config: FilmConfig) -> None:
    assert FilmConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize("change", [{"colours": 3}, {"filters": None}, {"flow_convs": None}])
def test_json_of_something_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        FilmConfig.from_json({**SMALL.to_json(), **change})


def test_json_that_lacks_a_size_is_refused() -> None:
    values = SMALL.to_json()
    del values["sub_levels"]
    with pytest.raises(OptionError, match="sub_levels"):
        FilmConfig.from_json(values)


def test_the_published_network_has_the_released_number_of_weights_and_parameters() -> None:
    network = published()
    assert network.config == FilmConfig.published()
    assert len(network.named_weights()) == 82
    assert network.count_params() == 34_436_667
    assert {name: weight.shape for name, weight in network.named_weights().items()} == (
        FilmConfig.published().weight_shapes()
    )


def test_the_compact_network_has_under_a_million_parameters() -> None:
    assert compact().count_params() == 874_740


def test_a_configuration_that_says_nothing_of_what_was_added_since_means_none_of_it() -> None:
    values = SMALL.to_json()
    for name in ("flow_passes", "refined", "searched_levels", "projected", "multi_hypothesis"):
        del values[name]
    config = FilmConfig.from_json(values)
    assert config == SMALL
    assert [config.passes(level) for level in range(4)] == [1, 1, 1, 1]
    assert not config.corrected_levels


@settings(max_examples=15)
@given(configurations())
def test_the_shapes_promised_are_those_of_the_network(config: FilmConfig) -> None:
    weights = FilmNetwork(config).named_weights()
    assert {name: weight.shape for name, weight in weights.items()} == config.weight_shapes()


@given(configurations())
def test_a_pairs_activations_are_both_images_and_more(config: FilmConfig) -> None:
    assert config.activations_per_pixel > 2 * config.encoded_per_pixel > 2 * 3


def test_flows_searched_for_count_at_full_size_and_halved() -> None:
    searched = SMALL_SEARCHED.activations_per_pixel - replace(SMALL_SEARCHED, searched_levels=0).activations_per_pixel
    assert searched == 4 * (1 + 1 / 4 + 1 / 16)  # both ways; the network's finest level is of half size


def test_sizes_are_padded_to_the_coarsest_level_that_is_fused_and_tiles_begin_at_the_coarsest() -> None:
    assert (FilmConfig.published().multiple, FilmConfig.published().stride) == (64, 64)  # as its authors pad
    assert FilmConfig.compact().multiple == 16  # 2^(4−1), and twice that for half size
    assert FilmConfig.compact().stride == 64
