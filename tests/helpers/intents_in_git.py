"""A fleet, an intent that a push takes a second to apply, and who commits them."""

WHO = {f"GIT_{role}_{what}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: bench}
spec:
  nodes:
    - {name: local, address: local, cpu: 8, memory: 4 GiB, devices: [{type: eight-cores, count: 1}]}
  devices:
    - {name: eight-cores, kind: cpu, cores: 8, peak: {fp32: 100 GFLOP/s}, memory: 4 GiB, bandwidth: 20 GB/s,
       tdp: 10 W, idle: 2 W}
"""
INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: {name}}}
spec:
  task: image-classification
  model: ../models/s.onnx
  load: {{rate: {rate}/s}}
  require: {{latency: {{p99: 5 s}}}}
  goal: minimize power
  pin: {{executor: dryrun, precision: fp32, threads: 1, batch: 1}}
"""
