"""The comparisons: what is asked of whom, and which target each figure has."""
import time

import process
from servers import Broken
from table import median

KEYS = 100
STREAMS, PACES_US = 100, (10000, 2000)
HELD_CONNECTIONS, HELD_STREAMS = 256, 1000

CPU_OF_NGINX = 2.5  # times nginx's CPU time for an uncached request
CPU_US_PER_CHUNK, ADDED_US_PER_CHUNK = 10, 300
CHUNK_OF_NGINX = 10 / 7.7  # the same target beside nginx, which took 7.7 us where the target was set
HITS_OF_REDIS = 0.8
IDLE_KB, IDLE_PRIVATE_KB, CONNECTIONS_KB, STREAM_KB = 12 * 1024, 4 * 1024, 24 * 1024, 40


def interleaved(bench, servers, rounds=None, **options):
    """{name: [result of each round]}, going round the servers so that a noisy minute touches all."""
    results = {server.name: [] for server in servers}
    for _ in range(rounds or bench.args.rounds):
        for server in servers:
            results[server.name].append(bench.load(server, **options))
    return results


def medians(results, read):
    return {name: median([read(result) for result in rounds]) for name, rounds in results.items()}


def added(results, read):
    """By how much each is slower than asking the mock itself, round by round."""
    direct = [read(result) for result in results["mock"]]
    return {name: median([read(result) - d for result, d in zip(rounds, direct)]) for name, rounds in results.items()}


def times(value, base):
    return value / base if value is not None and base else None


def present(*servers):
    return [server for server in servers if server]


def uncached_at(bench, table, servers, clients):
    results = interleaved(bench, servers, clients=clients)
    cpu = medians(results, lambda r: r["cpu_us"])
    p50 = medians(results, lambda r: r["latency_us"]["p50"])
    p99 = medians(results, lambda r: r["latency_us"]["p99"])
    more50 = added(results, lambda r: r["latency_us"]["p50"])
    more99 = added(results, lambda r: r["latency_us"]["p99"])
    rate = medians(results, lambda r: r["per_second"])
    rows = [[name, None if name == "mock" else cpu[name], times(cpu[name], cpu.get("nginx")) or None, p50[name],
             more50[name], p99[name], more99[name], rate[name]] for name in results]
    title = f"Uncached requests, {clients} client{'s' if clients > 1 else ''}, answers of {bench.args.value_bytes} bytes"
    table.section(title, ["CPU us", "x nginx", "median us", "added", "p99 us", "added", "a second"], rows, results)
    nginx = cpu.get("nginx")
    table.target(f"CPU per uncached request, {clients} client{'s' if clients > 1 else ''}", cpu["freellmd"],
                 nginx and nginx * CPU_OF_NGINX, "us", baseline=("nginx", nginx))
    if clients == 1:
        table.target("time added at the median", more50["freellmd"], more50.get("nginx"), "us",
                     baseline=("nginx", more50.get("nginx")))


def uncached(bench, table):
    servers = present(bench.mock, bench.start_nginx(), bench.start_bare(), bench.start_freellmd())
    for clients in (1, 16):
        uncached_at(bench, table, servers, clients)
    for server in servers[1:]:
        bench.stop(server)


def streams_paced(bench, table, servers, pace_us):
    window, warm_up = int(1000 * max(bench.args.seconds, 2)), 500
    chunks = (window + warm_up + 300) * 1000 // pace_us
    results = interleaved(bench, servers, clients=STREAMS, chunks=chunks, pace_us=pace_us, window=window,
                          warm_up=warm_up)
    cpu = medians(results, lambda r: r["cpu_us"])
    p50 = medians(results, lambda r: r["delay_us"]["p50"])
    p99 = medians(results, lambda r: r["delay_us"]["p99"])
    more50 = added(results, lambda r: r["delay_us"]["p50"])
    more99 = added(results, lambda r: r["delay_us"]["p99"])
    rate = medians(results, lambda r: r["per_second"])
    rows = [[name, None if name == "mock" else cpu[name], times(cpu[name], cpu.get("nginx")) or None, p50[name],
             more50[name], p99[name], more99[name], rate[name]] for name in results]
    pace = f"a chunk every {pace_us / 1000:.0f} ms on each"
    table.section(f"{STREAMS} open streams, {pace}",
                  ["CPU us/chunk", "x nginx", "delay us", "added", "p99 us", "added", "chunks/s"], rows, results)
    table.target(f"time added to a chunk at the median, {pace}", more50["freellmd"], ADDED_US_PER_CHUNK, "us",
                 baseline=("nginx", more50.get("nginx")))
    table.target(f"CPU per relayed chunk beside nginx, {pace}", cpu["freellmd"],
                 cpu.get("nginx") and cpu["nginx"] * CHUNK_OF_NGINX, "us", baseline=("nginx", cpu.get("nginx")))


def streams_at_full_speed(bench, table, servers):
    results = interleaved(bench, servers, rounds=min(bench.args.rounds, 3), clients=STREAMS, chunks=3000, window=2000,
                          warm_up=200)
    cpu = medians(results, lambda r: r["cpu_us"])
    rate = medians(results, lambda r: r["per_second"])
    rows = [[name, rate[name], times(rate[name], rate.get("nginx")), None if name == "mock" else cpu[name]]
            for name in results]
    table.section(f"{STREAMS} open streams as fast as they come", ["chunks/s", "x nginx", "CPU us/chunk"], rows, results)
    nginx = cpu.get("nginx")
    table.target("CPU per relayed chunk", cpu["freellmd"], CPU_US_PER_CHUNK, "us", baseline=("nginx", nginx))
    table.target("CPU per relayed chunk beside nginx", cpu["freellmd"], nginx and nginx * CHUNK_OF_NGINX, "us",
                 baseline=("nginx", nginx))


def streams(bench, table):
    servers = present(bench.mock, bench.start_nginx(), bench.start_bare(), bench.start_freellmd())
    for pace_us in PACES_US:
        streams_paced(bench, table, servers, pace_us)
    streams_at_full_speed(bench, table, servers)
    for server in servers[1:]:
        bench.stop(server)


def cached(bench, table):
    servers = present(bench.start_echo(), bench.start_redis(), bench.start_freellmd())
    for clients in (1, 64, 256):
        results = interleaved(bench, servers, clients=clients, keys=KEYS, cache="use")
        rate = medians(results, lambda r: r["per_second"])
        cpu = medians(results, lambda r: r["cpu_us"])
        own = medians(results, lambda r: r["own_cpu_us"])
        busy = medians(results, lambda r: 100 * r["busy"])
        p50 = medians(results, lambda r: r["latency_us"]["p50"])
        redis = rate.get("redis-get")
        rows = [[name, rate[name], times(rate[name], redis), cpu[name], times(cpu[name], cpu.get("redis-get")),
                 p50[name], busy[name], own[name]] for name in results]
        table.section(f"Cache hits, {clients} client{'s' if clients > 1 else ''}, {bench.args.value_bytes} bytes",
                      ["a second", "x redis", "CPU us", "x redis", "median us", "busy %", "load's CPU us"], rows, results)
        table.target(f"cache hits, {clients} client{'s' if clients > 1 else ''}", rate["freellmd"],
                     redis and redis * HITS_OF_REDIS, "a second", at_least=True, baseline=("redis-get", redis))
    for server in servers:
        bench.stop(server)


def memory(bench, table):
    rows = []
    for server in present(bench.start_nginx(), bench.start_freellmd()):
        time.sleep(0.5)
        idle = process.memory_of(server.pid)
        with bench.held(server, clients=HELD_CONNECTIONS):
            time.sleep(0.5)
            connected = process.memory_of(server.pid)
        with bench.held(server, clients=HELD_STREAMS, chunks=100000, pace_us=1000000):
            time.sleep(1)
            streaming = process.memory_of(server.pid)
        time.sleep(1)
        after = process.memory_of(server.pid)
        per_stream = (streaming[0] - idle[0]) / HELD_STREAMS
        rows.append([server.name, *idle, *connected, streaming[0], per_stream, *after])
        if server.name == "freellmd":
            nginx = rows[0] if rows[0][0] == "nginx" else [None] * 9
            table.target("memory idle, RSS", idle[0], IDLE_KB, "KB", baseline=("nginx", nginx[1]))
            table.target("memory idle, private", idle[1], IDLE_PRIVATE_KB, "KB", baseline=("nginx", nginx[2]))
            table.target(f"memory with {HELD_CONNECTIONS} connections, RSS", connected[0], CONNECTIONS_KB, "KB",
                         baseline=("nginx", nginx[3]))
            table.target("memory per open stream", per_stream, STREAM_KB, "KB", baseline=("nginx", nginx[6]))
        bench.stop(server)
    table.section(f"Memory in KB: idle, with {HELD_CONNECTIONS} connections, with {HELD_STREAMS} open streams, afterwards",
                  ["RSS", "private", "256: RSS", "private", "1,000: RSS", "a stream", "after: RSS", "private"], rows)


def idle(bench, table):
    seconds = bench.args.idle_seconds
    server = bench.start_freellmd()
    time.sleep(1)
    fresh = process.wakeups_of(server.pid, seconds)
    bench.load(server, clients=16, window=500)
    bench.load(server, clients=16, window=500, keys=KEYS, cache="use")
    time.sleep(2)
    worked = process.wakeups_of(server.pid, seconds)
    if server.process.poll() is not None:
        raise Broken("freellmd ended while it was idle")
    table.section(f"Idle for {seconds:.0f} seconds", ["context switches", "system calls (strace)"],
                  [["after the start", *map(str, fresh)], ["after work", *map(str, worked)]])
    table.target(f"wake-ups in {seconds:.0f} idle seconds", max(fresh[0], fresh[1] or 0), 0, "")
    table.target("the same after work", max(worked[0], worked[1] or 0), 0, "")
    bench.stop(server)


ALL = {"memory": memory, "idle": idle, "uncached": uncached, "streams": streams, "cached": cached}
