"""`aios plan` of services whose load changes over the day."""

import json
import math

import pytest

RENT = [1.0] * 8 + [3.0] * 10 + [2.0] * 6
CARBON = [100.0] * 12 + [300.0] * 12


def service(name="chat", rate="", more=""):
    return f"""\
apiVersion: aios/v1
kind: Intent
metadata: {{name: {name}}}
spec:
  task: text-generation
  model: {{card: Qwen/Qwen3-8B}}
  load: {{rate: {rate or '{"00:00": 1/s, "08:00": 6/s, "18:00": 3/s}'}, prompt: 1024, output: 256}}
  require: {{latency: {{ttft: {{p99: 2 s}}}}}}
  goal: minimize cost
  pin: {{device: nvidia-l40s, precision: bf16}}
{more}"""


def fleet(count, price="1.9 USD/h", more=""):
    return f"""\
apiVersion: aios/v1
kind: Fleet
metadata: {{name: hall}}
spec:
  nodes:
    - {{name: l40s, count: {count}, devices: [{{type: nvidia-l40s}}], price: {price}{more}}}
"""


def series(values, unit):
    return f"[{', '.join(f'{value} {unit}' for value in values)}]"


def decisions(ran):
    assert ran.code == 0, ran.err
    return {item["intent"]: item for item in ran.json["decisions"]}


def at(decision, hour):
    return next(period for period in decision["periods"] if hour in period["hours"])


def test_replicas_follow_the_rate_and_each_hour_has_its_rent(aios):
    aios.write("fleet.yaml", fleet(6, series(RENT, "USD/h"), f", carbon: {series(CARBON, 'gCO2/kWh')}"))
    aios.write("chat.yaml", service())
    chat = decisions(aios("plan", "chat.yaml", "--json"))["chat"]
    counts = [at(chat, hour)["replicas"] for hour in range(24)]
    assert counts[0] < counts[20] < counts[8] == chat["replicas"]
    rent = math.fsum(count * price for count, price in zip(counts, RENT, strict=True)) / 24
    assert chat["estimates"]["cost"]["value"] == pytest.approx(rent)
    power = [at(chat, hour)["estimates"]["power"]["value"] for hour in range(24)]
    assert chat["estimates"]["power"]["value"] == pytest.approx(math.fsum(power) / 24)
    grams = math.fsum(watts / 1000 * carbon for watts, carbon in zip(power, CARBON, strict=True)) / 24
    assert chat["estimates"]["carbon"]["value"] == pytest.approx(grams)
    rates = [at(chat, hour)["rate_per_s"] for hour in range(24)]
    energy = math.fsum(power) / math.fsum(rates)
    assert chat["estimates"]["energy"]["value"] == pytest.approx(energy)
    worst = max(period["estimates"]["latency.ttft.p99"]["high"] for period in chat["periods"])
    assert chat["estimates"]["latency.ttft.p99"]["high"] == worst <= 2.0


def test_each_part_of_the_day_is_planned_as_a_service_of_its_rate_alone_would_be(aios):
    aios.write("fleet.yaml", fleet(6))
    aios.write("chat.yaml", service())
    chat = decisions(aios("plan", "chat.yaml", "--json"))["chat"]
    for period in chat["periods"]:
        aios.write("alone.yaml", service(rate=f"{period['rate_per_s']}/s"))
        alone = decisions(aios("plan", "alone.yaml", "--json"))["chat"]
        assert alone["replicas"] == period["replicas"]
        for name in ("power", "cost", "latency.ttft.p99"):
            assert alone["estimates"][name]["value"] == pytest.approx(period["estimates"][name]["value"])


def test_opposite_peaks_share_machines_and_apply_says_that_it_cannot(aios):
    day, night = '{"08:00": 6/s, "20:00": 1/s}', '{"08:00": 1/s, "20:00": 6/s}'
    aios.write("both.yaml", service("day", day) + "---\n" + service("night", night))
    aios.write("fleet.yaml", fleet(5))
    ran = aios("plan", "both.yaml", "--json", "-o", "plan.json")
    found = decisions(ran)
    assert sum(item["replicas"] for item in found.values()) > 5
    assert ran.json["at_once"] is False
    for hour in range(24):
        used = [
            (part["node"], tuple(part["devices"]))
            for item in found.values()
            for part in item["placement"]
            if part.get("hourly", [part["replicas"]] * 24)[hour]
        ]
        assert len(set(used)) == len(used) <= 5
    words = aios("plan", "both.yaml").out
    assert "OVER THE DAY" in words
    assert "share machines by the hour" in words
    assert "next: aios apply" not in words
    applied = aios("apply", "plan.json")
    assert applied.code == 1
    assert "share machines by the hour" in applied.err
    aios.write("fleet.yaml", fleet(20))
    roomy = aios("plan", "both.yaml", "--json")
    assert "at_once" not in roomy.json


def test_what_is_deployed_is_the_peak_and_planning_again_keeps_it(aios):
    aios.write("fleet.yaml", fleet(6))
    aios.write("chat.yaml", service(more="").replace("pin: {", "pin: {executor: dryrun, "))
    assert aios("apply", "chat.yaml", "--yes").code == 0
    again = aios("plan", "chat.yaml", "--json")
    assert [action["action"] for action in again.json["actions"]] == ["keep"]
    [deployment] = [action["after"] for action in again.json["actions"]]
    assert deployment["rate_per_s"] == 6.0
    assert sum(part["replicas"] for part in deployment["placement"]) == deployment["replicas"]


def test_pinned_replicas_are_the_same_all_day(aios):
    aios.write("fleet.yaml", fleet(6))
    aios.write("chat.yaml", service().replace("pin: {", "pin: {replicas: 4, "))
    chat = decisions(aios("plan", "chat.yaml", "--json"))["chat"]
    assert {period["replicas"] for period in chat["periods"]} == {4}


def test_what_survives_losses_runs_all_day(aios):
    aios.write("fleet.yaml", fleet(8))
    aios.write("chat.yaml", service(more="  survive: 1\n"))
    chat = decisions(aios("plan", "chat.yaml", "--json"))["chat"]
    assert {period["replicas"] for period in chat["periods"]} == {chat["replicas"]}


def test_hours_without_requests_keep_one_replica(aios):
    aios.write("fleet.yaml", fleet(6))
    aios.write("chat.yaml", service(rate='{"08:00": 6/s, "20:00": 0/s}'))
    chat = decisions(aios("plan", "chat.yaml", "--json"))["chat"]
    assert at(chat, 2)["replicas"] == 1
    assert chat["estimates"]["power"]["value"] < at(chat, 12)["estimates"]["power"]["value"]


def test_the_order_of_the_input_does_not_matter(aios):
    day, night = service("day", '{"08:00": 6/s, "20:00": 1/s}'), service("night", '{"20:00": 6/s, "08:00": 1/s}')
    aios.write("fleet.yaml", fleet(5))
    answers = []
    for text in (day + "---\n" + night, night + "---\n" + day):
        aios.write("both.yaml", text)
        answers.append(aios("plan", "both.yaml", "--json").json["decisions"])
    assert answers[0] == answers[1]


def test_candidates_tell_the_parts_of_the_day(aios):
    aios.write("fleet.yaml", fleet(2))
    aios.write("chat.yaml", service(rate='{"08:00": 2/s, "20:00": 1/s}'))
    listed = json.dumps(aios("candidates", "chat.yaml", "--json").json)
    assert '"periods"' in listed


def test_where_latency_is_a_goal_no_rate_is_slower_than_the_highest(aios):
    aios.write("fleet.yaml", fleet(6))
    aios.write("chat.yaml", service().replace("minimize cost", "minimize latency.p99"))
    chat = decisions(aios("plan", "chat.yaml", "--json"))["chat"]
    times = [period["estimates"]["latency.p99"] for period in chat["periods"]]
    assert all(time["value"] <= times[-1]["value"] and time["high"] <= times[-1]["high"] for time in times)
    assert chat["estimates"]["latency.p99"]["value"] == times[-1]["value"]


def test_times_to_a_first_token_are_not_asked_of_what_answers_none(aios):
    photos = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: photos}
spec:
  task: image-classification
  model: {card: resnet50}
  load: {rate: {"00:00": 10/s, "06:00": 100/s}}
  pin: {precision: fp16, batch: 4}
  goal: minimize cost
"""
    aios.write("intent.yaml", service() + "---\n" + photos)
    aios.write("fleet.yaml", fleet(5))
    rows = [line.split() for line in aios("plan", "intent.yaml").out.splitlines() if line.startswith("photos  ")]
    told = [row for row in rows if row[1] in ("00:00", "06:00")]
    assert [row[7] for row in told] == ["-", "-"]  # name, from, to, rate, `1 of 1`, time to first token
    assert all(row[-1] == "?" or "USD" in row[-1] for row in told)
