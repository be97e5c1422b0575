"""Passes and engines of served language models, by hand and against simulations."""

import heapq
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from aios.cost.serving import Load, Machine, Shape, Stored, Ways, engine, pass_of, passes, plain, serve
from aios.cost.serving.arrivals import Stream, arriving, poisson_quantile
from aios.cost.serving.engine import pass_quantile, places_of, serve_apart, within
from aios.cost.serving.passes import least_s
from aios.cost.serving.plain import offloaded_s


def of(kind, **numbers):
    return kind(**{name: np.array([float(number)]) for name, number in numbers.items()})


DENSE = of(
    Shape, layers=10, hidden=1000, width=10_000, kv_heads=2, dense=1e9, routed=0, experts=1, active=1,
    kv_values=20_000, near=0, window=1, latent=0, selected=math.inf, index_values=0, index_width=0,
)  # fmt: skip
MIXED = replace(DENSE, routed=np.array([7e9]), experts=np.array([8.0]), active=np.array([2.0]))
HALF = of(Stored, dense=2, routed=2, kv=2)
ONE = of(
    Machine, ops_per_s=1e15, half_ops_per_s=5e14, memory_bytes_per_s=1e12, memory_bytes=80e9, link_bytes_per_s=1e11,
    products=1, reading=1, unpacking_s=0, eager=0, unfused=0, score_bytes=0, unpacks=0, interpreted=0, passes=5,
    pass_s=1e-4, device_s=0, sequence_s=1e-5,
)  # fmt: skip
ALONE = of(Ways, tensor=1, pipeline=1, data=1, expert=1, expert_tensor=1)


def a_pass(shape=DENSE, ways=ALONE, tokens=1.0, keys=100.0, machine=ONE):
    tokens = np.array([tokens])
    return pass_of(shape, HALF, machine, ways, tokens, np.array([keys]), tokens * keys)


def test_decoding_one_token_by_hand():
    found = a_pass()
    assert found.weights[0] == pytest.approx(2e9 / (1e12 * passes.MEMORY_SHARE))
    assert found.cache[0] == pytest.approx(20_000 * 2 * 100 / (1e12 * passes.CACHE_SHARE))
    # what the products put out (1e9 / 1000 values) and six residual streams per layer are written and read in 16 bits
    between = (1e6 + 10 * 6 * 1000) * 4 / (1e12 * passes.MEMORY_SHARE)
    assert found.compute[0] == pytest.approx(2e9 / (1e15 * passes.COMPUTE_SHARE) + between)
    assert found.scores[0] == pytest.approx(4 * 10_000 * 100 / (5e14 * passes.SCORES_SHARE))
    assert found.links[0] == 0
    assert found.waits[0] == pytest.approx(1e-4 + 10 * passes.KERNELS * passes.KERNEL_S)
    assert sum(found.parts().values()) == pytest.approx(found.total)


def test_tensor_parallelism_shares_the_work_and_adds_collectives():
    whole, shared = a_pass(tokens=64.0), a_pass(tokens=64.0, ways=replace(ALONE, tensor=np.array([4.0])))
    assert shared.weights == pytest.approx(whole.weights / 4)
    assert shared.cache == pytest.approx(whole.cache / 2)  # two heads of keys and values: kept twice
    moved = 10 * 2 * (2 * 3 / 4) * 64 * 1000 * 2  # layers x two all-reduces of a message
    assert shared.links[0] == pytest.approx(moved / (1e11 * passes.LINK_SHARE))
    assert shared.waits - whole.waits == pytest.approx(10 * 2 * passes.COLLECTIVE_S)


def test_experts_are_read_when_a_token_chooses_them():
    few, many = a_pass(MIXED), a_pass(MIXED, tokens=1000.0)
    routed = few.weights[0] - a_pass().weights[0]
    assert routed == pytest.approx(7e9 * 2 * (2 / 8) / (1e12 * passes.ROUTED_SHARE))
    assert many.weights[0] - a_pass().weights[0] == pytest.approx(7e9 * 2 / (1e12 * passes.ROUTED_SHARE))
    assert MIXED.touched(np.array([2.0]))[0] == pytest.approx(1 - 0.75**2)


def test_tokens_of_an_expert_are_filled_up_to_tiles():
    dense, mixed = a_pass(tokens=1e6), a_pass(MIXED, tokens=1e6)
    each = 7e9 / 8
    rows = 1e6 * 2 + 8 * passes.PADDED_ROWS
    between = 1e6 * each * 2 / 1000 * 4 / (1e12 * passes.MEMORY_SHARE)
    routed = mixed.compute - dense.compute
    assert routed[0] == pytest.approx(2 * each * rows / (1e15 * passes.ROUTED_COMPUTE_SHARE) + between)


def test_starting_kernels_one_by_one_hides_behind_a_busy_device():
    eager = replace(ONE, eager=np.array([1.0]))
    started = 10 * passes.KERNELS * passes.FUSED * passes.EAGER_KERNEL_S
    for tokens in (1.0, 20_000.0):
        captured, alone = a_pass(tokens=tokens), a_pass(tokens=tokens, machine=eager)
        assert alone.total[0] == pytest.approx(math.hypot(captured.total[0], started))


def test_prompts_start_their_kernels_one_by_one_where_software_is_run_from_python():
    load, tokens = a_load(1.0, prompt=100.0), np.array([100.0])
    python = replace(ONE, interpreted=np.array([1.0]))
    captured, started = (serve(DENSE, HALF, item, ALONE, load).prefill.total[0] for item in (ONE, python))
    assert captured == pytest.approx(pass_of(DENSE, HALF, ONE, ALONE, tokens, tokens / 2, tokens).total[0])
    each = 10 * passes.KERNELS * passes.FUSED * passes.EAGER_KERNEL_S * engine.PROMPT_STARTS
    assert started == pytest.approx(math.hypot(captured, each))


PLAIN = replace(ONE, eager=np.array([1.0]), unfused=np.array([1.0]))


def test_attention_that_is_not_fused_copies_the_cache_and_writes_its_scores() -> None:
    found = a_pass(tokens=64.0, machine=PLAIN)
    copied = plain.CACHE_MOVES * 2 * 10_000 * 2 * 64 * 100  # keys and values of every head, in 16 bits
    heads = 10_000 / (20_000 / (2 * 10 * 2))  # of all layers, as wide as those of the cache
    written = plain.SCORE_BYTES * heads * 64 * 100
    assert found.cache[0] == pytest.approx((copied + written) / (1e12 * passes.CACHE_SHARE))


def test_a_few_tokens_take_plain_pytorch_as_long_as_a_tile() -> None:
    slow = replace(PLAIN, ops_per_s=np.array([1e13]), eager=np.array([0.0]))
    one, few, tile, more = (a_pass(tokens=n, keys=1.0, machine=slow).total[0] for n in (1.0, 8.0, 128.0, 640.0))
    row = 2 * 1e9 / (1e13 * passes.COMPUTE_SHARE)
    assert one < 10 * row
    assert few == pytest.approx(128 * row, rel=0.02)
    assert tile == pytest.approx((128 + 64) * row, rel=0.02)
    assert more == pytest.approx((640 + 64) * row, rel=0.02)
    assert a_pass(tokens=8.0, keys=1.0, machine=replace(slow, unfused=np.array([0.0]))).total[0] < 20 * row


def test_weights_without_a_place_cross_from_the_host_by_layers() -> None:
    small, two = replace(PLAIN, memory_bytes=np.array([1.5e9])), replace(ALONE, pipeline=np.array([2.0]))
    beyond = 2e9 - (1.5e9 * plain.KEPT - 0.2e9)  # the place of one of ten layers is left free
    assert beyond == pytest.approx(0.85e9)
    assert offloaded_s(DENSE, HALF, small, ALONE)[0] == pytest.approx(5 * 0.2e9 / plain.HOST_BYTES_PER_S)
    assert offloaded_s(DENSE, HALF, small, two)[0] == 0
    assert offloaded_s(DENSE, HALF, replace(small, memory_bytes=np.array([math.nan])), ALONE)[0] == 0
    one, kept = a_pass(machine=small), a_pass(machine=PLAIN)
    hooks = 10 * plain.HOOKED_S
    assert (one.total - kept.total)[0] == pytest.approx(5 * 0.2e9 / plain.HOST_BYTES_PER_S + hooks, rel=0.01)
    assert a_pass(machine=replace(small, unfused=np.array([0.0]))).offloaded[0] == 0


def test_plain_pytorch_calls_modules_and_experts_one_by_one() -> None:
    two = replace(ALONE, pipeline=np.array([2.0]))
    alone, moved = a_pass(machine=PLAIN), a_pass(machine=PLAIN, ways=two)
    assert (moved.total - alone.total)[0] == pytest.approx(10 * plain.HOOKED_S)
    dense, mixed = (
        a_pass(shape, tokens=1000.0, machine=replace(PLAIN, eager=0 * ONE.eager)) for shape in (DENSE, MIXED)
    )
    more = 10 * (8 * plain.EXPERT_S + passes.ROUTED_KERNELS * passes.KERNEL_S)
    assert (mixed.waits - dense.waits)[0] == pytest.approx(more, rel=0.1)


def test_without_a_cache_every_token_takes_a_pass_over_all_before_it() -> None:
    none, load = replace(HALF, kv=np.array([0.0])), a_load(1.0, prompt=1000.0, output=500.0, fixed=1.0)
    for machine in (ONE, PLAIN):
        found = serve(DENSE, none, machine, ALONE, load).decode
        each = [
            pass_of(DENSE, none, machine, ALONE, context, keys, context)
            for context in np.arange(1000.0, 1500.0).reshape(-1, 1)
            for keys in [context if machine is PLAIN else context / 2]
        ]
        assert found.compute[0] == pytest.approx(np.mean([one.compute for one in each]), rel=1e-3)
        assert found.scores[0] == pytest.approx(np.mean([one.scores for one in each]), rel=1e-3)
        assert found.total[0] == pytest.approx(np.mean([one.total for one in each]), rel=0.01)
    assert places_of(DENSE, none, ONE, ALONE, np.array([1000.0]))[0] > 1e9


def test_the_pass_over_its_prompts_gives_a_batch_its_first_token() -> None:
    alone = replace(HALF, kv=np.array([0.0])), ONE, ALONE, a_load(1.0, prompt=1000.0, output=1.0, fixed=1.0)
    served = serve(DENSE, *alone)
    assert (1 / served.throughput)[0] == pytest.approx(served.prefill.total[0])


def test_plain_pytorch_hands_all_sequences_from_stage_to_stage() -> None:
    two, load = replace(ALONE, pipeline=np.array([2.0])), a_load(64.0, fixed=1.0)
    engines, handed = (serve(DENSE, HALF, machine, two, load) for machine in (ONE, PLAIN))
    assert handed.decode.compute[0] == pytest.approx(2 * engines.decode.compute[0], rel=0.01)
    whole = serve(DENSE, HALF, PLAIN, ALONE, load).prefill
    assert handed.prefill.compute[0] == pytest.approx(whole.compute[0])


def test_sliding_windows_cap_what_is_read():
    shape = replace(DENSE, near=np.array([0.5]), window=np.array([128.0]))
    assert shape.keys(np.array([1000.0]))[0] == pytest.approx(500 + 64)
    assert shape.keys(np.array([100.0]))[0] == pytest.approx(100)


def test_an_indexer_reads_all_keys_so_that_attention_reads_few():
    sparse = replace(DENSE, selected=np.array([64.0]), index_values=np.array([1000.0]), index_width=np.array([500.0]))
    whole, found = a_pass(keys=1000.0), a_pass(sparse, keys=1000.0)
    assert found.cache[0] == pytest.approx((20_000 * 2 * 64 + 1000 * 1000) / (1e12 * passes.CACHE_SHARE))
    assert found.scores[0] == pytest.approx((4 * 10_000 * 64 + 2 * 500 * 1000) / (5e14 * passes.SCORES_SHARE))
    assert (found.waits - whole.waits)[0] == pytest.approx(10 * passes.INDEX_KERNELS * passes.KERNEL_S)
    assert a_pass(sparse, keys=50.0).cache[0] == pytest.approx(50 * (40_000 + 1000) / (1e12 * passes.CACHE_SHARE))
    context, free = np.array([1000.0]), 80e9 * engine.MEMORY_KEPT - 2e9
    assert places_of(sparse, HALF, ONE, ALONE, context)[0] == pytest.approx(free / ((40_000 + 1000) * 1000))


def test_a_prompt_reads_its_own_cache_once_however_few_keys_each_token_selects():
    sparse = replace(DENSE, selected=np.array([64.0]))
    tokens = np.array([1000.0])
    found = pass_of(sparse, HALF, ONE, ALONE, tokens, tokens / 2, tokens)
    assert found.cache[0] == pytest.approx(20_000 * 2 * 1000 / (1e12 * passes.CACHE_SHARE))


def test_scores_that_are_written_out_and_weights_that_are_unpacked_overlap_with_nothing():
    apart = replace(ONE, score_bytes=np.array([20.0]), unpacks=np.array([1.0]))
    packed = of(Stored, dense=0.5, routed=0.5, kv=2)
    tokens, rate = np.array([1200.0]), 1e12 * passes.MEMORY_SHARE
    fused, found = (pass_of(DENSE, packed, item, ALONE, tokens, tokens / 2, tokens) for item in (ONE, apart))
    heads = 10_000 / (20_000 / (2 * 10 * 2))
    assert found.written[0] == pytest.approx(20 * heads * 1200 * 600 / rate)
    assert found.unpacked[0] == pytest.approx(3 * 1e9 * (0.5 + 2) / rate)  # 1200 tokens are three pieces
    assert (found.total - fused.total)[0] == pytest.approx((found.written + found.unpacked)[0])
    assert sum(found.parts().values())[0] == pytest.approx(found.total[0])
    assert found.shortened(np.array([2.0])).unpacked[0] == pytest.approx(found.unpacked[0] / 2)
    assert pass_of(DENSE, HALF, apart, ALONE, tokens, tokens, tokens).unpacked[0] == 0
    few = np.array([plain.PACKED_TOKENS])
    assert pass_of(DENSE, packed, apart, ALONE, few, few, few).unpacked[0] == 0
    many = replace(MIXED, experts=np.array([64.0]))  # 512 tokens are 16 for each of 64 experts
    assert pass_of(many, packed, apart, ALONE, tokens, tokens, tokens).unpacked[0] == found.unpacked[0]
    assert pass_of(MIXED, packed, apart, ALONE, tokens, tokens, tokens).unpacked[0] == pytest.approx(
        8 * found.unpacked[0]
    )


def test_weights_that_are_unpacked_where_they_are_multiplied_take_their_time_once_in_a_pass():
    """1e9 weights of all tokens, 1e-12 s each, over two devices; experts' kernels unpack while they read."""
    packed, slow = of(Stored, dense=0.5, routed=0.5, kv=2), replace(ONE, unpacking_s=np.array([1e-12]))
    halves = replace(ALONE, tensor=np.array([2.0]))
    for tokens in (np.array([1.0]), np.array([1200.0])):
        for shape in (DENSE, MIXED):
            assert pass_of(shape, packed, slow, halves, tokens, tokens, tokens).unpacked[0] == pytest.approx(0.5e-3)
        assert pass_of(DENSE, HALF, slow, halves, tokens, tokens, tokens).unpacked[0] == 0


def test_no_pass_beats_the_nominal_rates():
    for tokens in (1.0, 64.0, 4096.0):
        for degree in (1.0, 2.0, 8.0):
            ways = replace(ALONE, tensor=np.array([degree]))
            least = least_s(DENSE, HALF, ONE, ways.devices, np.array([tokens]))
            assert a_pass(ways=ways, tokens=tokens).total > least


def test_places_by_hand_and_unknown_memory():
    context = np.array([1000.0])
    free = 80e9 * engine.MEMORY_KEPT - 2e9
    assert places_of(DENSE, HALF, ONE, ALONE, context)[0] == pytest.approx(free / (20_000 * 2 * 1000))
    small = replace(ONE, memory_bytes=np.array([1e9]))
    assert places_of(DENSE, HALF, small, ALONE, context)[0] == 0
    unknown = replace(ONE, memory_bytes=np.array([math.nan]))
    assert places_of(DENSE, HALF, unknown, ALONE, context)[0] == math.inf


def a_load(concurrency, prompt=1000.0, output=200.0, fixed=0.0):
    return of(Load, prompt=prompt, output=output, concurrency=concurrency, fixed=fixed)


@pytest.mark.parametrize("concurrency", [1.0, 16.0, 256.0, 20_000.0])
def test_littles_law_holds_in_the_closed_loop(concurrency):
    load = a_load(concurrency)
    served = serve(DENSE, HALF, ONE, ALONE, load)
    residence = served.ttft + load.output * served.tpot
    assert served.throughput * residence == pytest.approx(concurrency * load.output)


def test_more_requests_are_never_served_sooner():
    times = [serve(DENSE, HALF, ONE, ALONE, a_load(n)) for n in (1.0, 4.0, 32.0, 256.0, 4096.0, 30_000.0)]
    for before, after in itertools.pairwise(times):
        assert after.ttft > before.ttft
        assert after.tpot >= before.tpot
        assert after.throughput >= before.throughput * 0.999


def test_the_host_has_to_do_with_every_sequence():
    shares = [a_load(16.0).host, a_load(math.inf).host, a_load(16.0, fixed=1.0).host]
    assert [float(share[0]) for share in shares] == [1.0, engine.HANDED_OVER, 0.0]
    few, many = (engine.sequences_s(ONE, a_load(n), np.array([n]), ALONE)[0] for n in (1.0, 100.0))
    assert many == pytest.approx(100 * few) == pytest.approx(100 * 1e-5)


def test_a_bound_on_tokens_leaves_as_many_requests_as_keep_to_it():
    load = a_load(math.inf, prompt=500.0, output=500.0)
    full = serve(DENSE, HALF, ONE, ALONE, load)
    for longest in (0.5 * full.tpot, 0.9 * full.tpot):
        kept = serve(DENSE, HALF, ONE, ALONE, within(DENSE, HALF, ONE, ALONE, load, longest))
        assert kept.tpot[0] == pytest.approx(longest[0], rel=0.01)
        assert kept.batch[0] < full.batch[0]
    for longest in (2 * full.tpot, np.array([math.nan])):
        assert within(DENSE, HALF, ONE, ALONE, load, longest).concurrency[0] == math.inf
    assert within(DENSE, HALF, ONE, ALONE, load, np.array([1e-9])).concurrency[0] == pytest.approx(1, abs=0.01)


def test_endless_load_fills_all_places():
    served = serve(DENSE, HALF, ONE, ALONE, a_load(math.inf, prompt=8000.0, output=8000.0))
    assert served.batch == pytest.approx(served.places)
    assert np.isfinite(served.throughput).all()


def test_a_fixed_batch_computes_its_prompts_first():
    load = a_load(32.0, fixed=1.0)
    served = serve(DENSE, HALF, ONE, ALONE, load)
    assert served.tpot == pytest.approx(served.decode.total)
    assert served.ttft == pytest.approx(32 * served.prompt_s)


def test_too_few_prefill_engines_limit_what_decoding_gets():
    load = a_load(512.0, prompt=8000.0, output=50.0)
    few, many = (serve_apart(DENSE, HALF, ONE, ALONE, load, ALONE, np.array([n])) for n in (1.0, 64.0))
    assert few.ttft > 1.5 * many.ttft
    assert few.throughput < many.throughput
    assert few.throughput * 1.0 <= 50 / few.prompt_s * 1.001


def test_scalars_are_served_alike():
    shape = Shape(**{name: float(value[0]) for name, value in vars(DENSE).items()})
    parts = [type(item)(**{name: float(value[0]) for name, value in vars(item).items()}) for item in (HALF, ONE, ALONE)]
    found = serve(shape, *parts, Load(1000.0, 200.0, 16.0, 0.0))
    assert float(found.tpot) == pytest.approx(serve(DENSE, HALF, ONE, ALONE, a_load(16.0)).tpot[0])


@pytest.mark.parametrize("mean", [0.004, 0.02, 0.7, 3.0, 40.0])
@pytest.mark.parametrize("probability", [0.5, 0.9, 0.99])
def test_quantiles_of_new_prompts_per_pass(mean, probability):
    found = int(poisson_quantile(np.array([mean]), probability)[0])
    below = sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(found + 1))
    before = below - math.exp(-mean) * mean**found / math.factorial(found)
    slack = 0.05 if mean > 15 else 0.0
    assert before - slack < probability <= below + slack


def test_one_pass_in_a_hundred_takes_prompts_along():
    load = a_load(16.0, output=200.0)
    served = serve(DENSE, HALF, ONE, ALONE, load)  # 0.08 new prompts per pass
    assert pass_quantile(served, load, 0.5) == pytest.approx(served.decode.total)
    added = pass_quantile(served, load, 0.99) - served.decode.total
    assert added == pytest.approx(engine.INTERLEAVED * served.prompt_s)


def simulated(stream, requests, seed):
    """Return times to the first token, and per token, of requests that arrive by themselves; pass by pass."""
    rate, output, start, each, prompt, _ = (float(value[0]) for value in vars(stream).values())
    chance = np.random.default_rng(seed)
    arrivals = list(itertools.accumulate(chance.exponential(1 / rate, requests).tolist()))
    now, waiting, running, first, per_token = 0.0, 0, [], [], []
    passes_done = 0
    while waiting < requests or running:
        if not running and arrivals[waiting] > now:
            now = arrivals[waiting]
        joined = []
        while waiting < requests and arrivals[waiting] <= now:
            joined.append(arrivals[waiting])
            waiting += 1
        now += start + each * (len(running) + len(joined)) + prompt * len(joined)
        passes_done += 1
        for arrived in joined:
            first.append(now - arrived)
            heapq.heappush(running, (passes_done + int(output), now))
        while running and running[0][0] <= passes_done:
            _, began = heapq.heappop(running)
            per_token.append((now - began) / output)
    return np.array(first[requests // 10 :]), np.array(per_token[requests // 10 :])


@pytest.mark.parametrize(("rate", "within"), [(2.0, 0.1), (8.0, 0.1), (14.0, 0.15)])
def test_open_loops_against_a_simulation_of_their_passes(rate, within):
    stream = of(Stream, rate=rate, output=100, start_s=0.010, each_s=0.0001, prompt_s=0.030, places=4000)
    found = arriving(stream)
    first, per_token = simulated(stream, 4000, seed=1)
    assert found.ttft()[0] == pytest.approx(first.mean(), rel=within)
    assert found.tpot()[0] == pytest.approx(per_token.mean(), rel=within)
    assert found.tpot(0.9)[0] == pytest.approx(np.quantile(per_token, 0.9), rel=within)
    for share in (0.5, 0.9, 0.99):
        assert found.ttft(share)[0] == pytest.approx(np.quantile(first, share), rel=0.3)


def test_a_stream_beyond_the_capacity_is_never_answered():
    stream = of(Stream, rate=40, output=100, start_s=0.010, each_s=0.0001, prompt_s=0.030, places=400)
    found = arriving(stream)
    assert found.utilisation[0] > 1
    assert found.ttft()[0] == math.inf
