"""What a page says, before it is HTML."""

from pathlib import Path

import pytest
from tests.page.conftest import filled
from tests.report.conftest import Lab

from reslab.page import contents
from reslab.page.contents import contents_of, href
from reslab.report.table import tabulate


def test_the_table_is_the_one_that_every_renderer_reads(lab: Lab) -> None:
    plan = filled(lab).plan()
    assert contents_of([plan], plan.home / "page.html").table == tabulate([plan])


def test_links_are_relative_and_lead_to_what_is_there(lab: Lab) -> None:
    plan = filled(lab).plan()
    page = plan.home / "plans" / "a b=1" / "page.html"
    [part] = contents_of([plan], page).parts
    done, begun = part.runs[0], part.runs[-1]
    assert done.folder.href == f"../../{done.folder.text}/"
    assert [link.text for link in done.files] == ["metrics", "settings", "environment", "result"]
    assert [link.text for link in begun.files] == ["settings"]


def test_a_link_to_a_folder_with_any_name_is_escaped() -> None:
    assert href(Path("runs/a%b #1/log.txt"), Path("runs/page.html")) == "a%25b%20%231/log.txt"


def test_settings_that_differ_stand_apart_from_those_in_common(lab: Lab) -> None:
    plan = filled(lab).plan()
    settings = contents_of([plan], plan.home / "page.html").settings
    assert "recipe.optimizer.lr" in settings.fields and "seed" not in settings.fields
    rates = settings.fields.index("recipe.optimizer.lr")
    told = {label: values[rates] for label, values in settings.variants}
    assert told == {"ResNet 20": "0.1", "plain 20": "0.2", "deep": "0.1", "deeper": "0.1"}
    common = dict(settings.common)
    assert common["recipe.batch_size"] == "128" and not set(common) & set(settings.fields)


def test_of_several_plans_variants_and_settings_carry_the_plans_name(lab: Lab) -> None:
    lab.variant("a", {"model": "resnet20"})
    other = Lab("other")
    other.options["budget"] = 0.02
    other.variant("a", {"model": "resnet20"})
    found = contents_of([lab.plan(), other.plan()], Path("page.html"))
    names = ["made_by_hand: a", "other@budget=0.02: a"]
    assert [label for label, _ in found.settings.variants] == names
    assert [variant["label"] for variant in found.data["variants"]] == names
    assert found.settings.fields == ("budget",)


def test_a_figure_is_embedded_as_its_better_kind_and_linked_where_it_is_large(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.variant("a", {"model": "resnet20"})
    plan = lab.plan()
    folder = plan.home / "figures"
    folder.mkdir()
    (folder / "curves.svg").write_text("<svg/>")
    (folder / "curves.png").write_bytes(b"png")
    (folder / "a_sketch.png").write_bytes(b"p")
    first, second = contents_of([plan], plan.home / "page.html").parts[0].figures
    assert (first.link.href, first.source) == (
        "figures/curves.svg",
        "data:image/svg+xml;base64,PHN2Zy8+",
    )
    assert (second.caption, second.link.href) == ("A sketch.", "figures/a_sketch.png")
    monkeypatch.setattr(contents, "LARGEST", 3)
    first, _ = contents_of([plan], plan.home / "page.html").parts[0].figures
    assert (first.link.href, first.source) == ("figures/curves.png", "data:image/png;base64,cG5n")
    monkeypatch.setattr(contents, "LARGEST", 2)
    first, _ = contents_of([plan], plan.home / "page.html").parts[0].figures
    assert first.source is None


def test_sources_have_their_addresses(lab: Lab) -> None:
    plan = filled(lab).plan()
    [(text, address)] = contents_of([plan], plan.home / "page.html").sources
    assert "He" in text and address == "https://arxiv.org/abs/1512.03385"


def test_a_variant_has_its_seeds_its_mean_with_an_interval_and_its_published_number(
    lab: Lab,
) -> None:
    """t(0.975, 2) = 4.303; the standard deviation of 8.0, 8.4, 8.1 is 0.2082."""
    plan = filled(lab).plan()
    first, _, diverged, none = contents_of([plan], plan.home / "page.html").data["variants"]
    assert first["errors"] == [[0, 8.0], [1, 8.4], [2, 8.1]]
    assert first["mean"] == pytest.approx(8.1667, abs=1e-4)
    assert first["interval"] == pytest.approx([7.6496, 8.6838], abs=1e-3)
    assert first["published"] == 8.75, "He 2015, table 6"
    assert diverged["runs"][0]["state"] == "diverged" and diverged["mean"] is None
    assert (none["errors"], none["interval"]) == ([], None)
