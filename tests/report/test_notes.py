"""What stands below a table: options, remarks, and what happened to single runs."""

from tests.report.conftest import Lab, rendered


def test_numbers_that_no_variant_is_of_stand_under_the_table_with_their_reason(lab: Lab) -> None:
    lab.variant(
        "ResNet-164", {"model": "preact_resnet164"}, 1, ("hu2018/table4", "WRN-16-8", "senet")
    )
    text = rendered(lab)
    assert "- Hu 2018, Table 4, Shake-Shake 26 2x96d + Cutout: shake-shake regularisation" in text


def test_what_a_paper_did_otherwise_stands_with_the_computed_deviations(lab: Lab) -> None:
    lab.options["budget"] = 0.02
    lab.variant("ResNet 20", {"model": "resnet20"}, 1, ("he2015/table6", "ResNet 20"))
    text = rendered(lab)
    told = " ".join(text[text.index("Deviations:") : text.index("Assumed")].split())
    assert "- budget 0.02" in told and "- He 2015: Caffe's SGD has the rate inside" in told


def test_options_that_are_not_the_default_stand_under_the_table(lab: Lab) -> None:
    lab.options |= {"budget": 0.02, "seeds": 1, "only": "*20*", "set": ["model=resnet20"]}
    lab.variant("ResNet 20", {"model": "resnet20"})
    expected = "Options: BUDGET=0.02 SEEDS=1 ONLY='*20*' SET=model=resnet20"
    assert expected in rendered(lab)


def test_a_run_that_went_on_with_other_devices_or_in_other_parts_is_named(lab: Lab) -> None:
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 2)
    lab.start(folders[0], devices=1)
    lab.start(folders[0], devices=2, micro_batch=16)
    lab.start(folders[1])
    text = rendered(lab).replace("\n  ", " ")
    assert f"on other devices than before: {folders[0].name}" in text
    assert "2 × cpu (x86_64) in micro-batches of 16 (1 run)" in text


def test_forms_of_steps_are_named_where_they_can_move_a_digit(lab: Lab) -> None:
    compiled, mixed, captured, eager = (
        lab.variant(label, {"model": f"resnet{depth}"}, 2)
        for label, depth in (("all", 20), ("one", 32), ("graphs", 44), ("before", 56))
    )
    for folder in (*compiled, mixed[0]):
        lab.start(folder, form="compiled")
    for folder in captured:
        lab.start(folder, form="cuda graphs")
    for folder in (mixed[1], *eager):
        lab.start(folder)
    text = rendered(lab).replace("\n  ", " ")
    assert "- steps are rounded as their form does: compiled (2 runs) (all)\n" in text
    assert "form does: compiled (1 run) and eager (1 run) (one)\n" in text
    assert text.count("form does") == 2


def test_files_that_were_left_out_are_told(lab: Lab) -> None:
    for folder in lab.variant("ResNet 20", {"model": "resnet20"}, 2):
        lab.done(folder, 1, 9, undecodable=1234)
    assert "- 1,234 files that cannot be decoded were left out\n" in rendered(lab)


def test_the_steps_that_held_out_images_have_chosen_are_named(lab: Lab) -> None:
    lab.base["data"] = {"name": "cifar10", "holdout": 5000, "tested_on": "test"}
    lab.variant("last", {"model": "resnet20"})
    folders = lab.variant("chosen", {"model": "resnet20", "data.selected_on": "holdout"}, 2)
    for folder, step in zip(folders, (1407, 704), strict=True):
        lab.done(folder, 1, 9, selected_step=step)
    text = " ".join(rendered(lab).split())
    steps = "of step 1,407 (seed 0) and 704 (seed 1)"
    assert f"- weights chosen by the held-out images: {steps} (chosen)" in text
    assert "errors are of the weights of the step that the notes name" in text


def test_the_errors_of_a_run_without_labels_are_said_to_be_of_neighbors(lab: Lab) -> None:
    lab.variant("labels", {"model": "resnet20"})
    lab.variant("views", {"model": "resnet20", "recipe.objective": "simsiam"})
    text = " ".join(rendered(lab).split())
    said = "trained without labels (simsiam): its errors are those of the 200 nearest training"
    assert said in text and "of the last step (temperature 0.1) (views)" in text


def test_other_code_other_devices_and_resumption_are_noted(lab: Lab) -> None:
    folders = lab.variant("ResNet 20", {"model": "resnet20"}, 2)
    lab.start(folders[0], until=0.5)
    lab.start(folders[0], code="f00d", device="cuda (H100)", devices=2)
    lab.start(folders[1])
    text = " ".join(rendered(lab).split())
    assert "several versions of the code: c0de (2 runs) and f00d (1 run)" in text
    assert "several kinds of devices" in text and "2 × cuda (H100) (1 run)" in text
    assert (
        f"1 of 2 runs were started more than once; on other devices than before: {folders[0].name}"
        in text
    )
