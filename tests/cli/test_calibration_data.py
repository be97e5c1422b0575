"""Accuracy that was measured on the items that a model was calibrated with is told so, wherever it is told."""

import numpy as np

PIN = "{quantization: [static], precision: int8, threads: 1, batch: 1, replicas: 1}"


def test_accuracy_on_the_items_of_the_calibration_is_told_in_the_profile_and_in_the_plan(aios, here, asked, few):
    with np.load(few) as stored:
        np.savez(aios.place / "seen.npz", image=stored["image"][50:110])
    data = f"{{evaluate: {few}, calibrate: seen.npz}}"
    aios.write("intent.yaml", asked(data=data, pin=PIN).replace("90 %", "95 %"))
    here("init", ".")
    told = here("profile", "intent.yaml", "--seconds", "0.2", "--budget", "2 min")
    assert told.code in (0, 3)
    assert "is judged on data that it was made with (60 of the 200 items)" in " ".join(told.err.split())
    assert "judged on what it was made with: 60 of the 200 items" in " ".join(told.out.split())
    aios.write("intent.yaml", asked(data=data, pin=PIN))
    plan = here("plan", "intent.yaml")
    words = "the accuracy was measured on data that the model was made with (60 of the 200 items)"
    assert words in " ".join(plan.out.split())
