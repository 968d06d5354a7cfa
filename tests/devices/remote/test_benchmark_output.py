"""The tool's output as it is: recorded on an armhf machine, and as users have quoted it."""

import pytest

from edgeq.devices.remote.benchmark import delegate_that_ran, delegate_warnings, flags
from edgeq.devices.remote.benchmark_output import OpRow, read_output
from edgeq.errors import UsageError

# A build of 2020 on Debian armhf in QEMU, kws_int8.tflite, --enable_op_profiling=true.
RECORDED = """STARTING!
Min num runs: [20]
Loaded model kws_int8.tflite
INFO: Initialized TensorFlow Lite runtime.
Initialized session in 37.367ms
Running benchmark for at least 2 iterations and at least 0.5 seconds
count=58 first=25378 curr=8245 min=8044 max=25378 avg=8572.71 std=2233

Running benchmark for at least 20 iterations and at least 1 seconds
count=110 first=8413 curr=8701 min=8085 max=15239 avg=8634.79 std=900

Average inference timings in us: Warmup: 8572.71, Init: 37367, no stats: 8634.79
============================== Run Order ==============================
\t             [node type]\t          [start]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t                 CONV_2D\t            0.000\t    1.158\t    1.165\t 13.531%\t 13.531%\t     0.000\t        1\t[functional_1/activation/Relu;functional_1/conv2d/Conv2D1]
\t                 SOFTMAX\t            8.610\t    0.017\t    0.020\t  0.228%\t100.000%\t     0.000\t        1\t[Identity]

============================== Top by Computation Time ==============================
\t             [node type]\t          [start]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t                 CONV_2D\t            3.490\t    1.278\t    1.394\t 16.186%\t 16.186%\t     0.000\t        1\t[functional_1/activation_4/Relu]

Number of nodes executed: 13
Timings (microseconds): count=110 first=8377 curr=8674 min=8068 max=15198 avg=8609.55 std=897
"""  # noqa: E501
# The figures of https://github.com/google/XNNPACK/issues/999, a Raspberry Pi.
XNNPACK = """INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
Initialized session in 18.777ms.
count=9 first=64791 curr=56295 min=54873 max=65831 avg=57758.2 std=4065
count=50 first=58154 curr=53809 min=53077 max=60727 avg=55043.2 std=1562
Inference timings in us: Init: 18777, First inference: 64791, Warmup (avg): 57758.2, Inference (avg): 55043.2
Memory footprint delta from the start of the tool (MB): init=8.97656 overall=18.7227
"""  # noqa: E501
# https://github.com/tensorflow/tensorflow/issues/43541, a phone's GPU.
GPU = """INFO: Created TensorFlow Lite delegate for GPU.
INFO: Created 1 GPU delegate kernels.
Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.
count=50 first=119212 curr=118055 min=113737 max=124776 avg=119375 std=1948
"""
# https://github.com/tensorflow/tensorflow/issues/56301, Android's log.
NNAPI = """05-31 10:31:13.041 21767 21767 I tflite  : Created TensorFlow Lite delegate for NNAPI.
05-30 15:16:44.857  3380  3380 I tflite  : Explicitly applied NNAPI delegate, and the model graph \
will be partially executed by the delegate w/ 44 delegate kernels.
05-30 15:16:45.362  3380  3380 I tflite  : count=40 first=32942 curr=12594 min=11340 max=32942 \
avg=12581.9 std=3331
05-30 15:16:46.365  3380  3380 I tflite  : count=75 first=12840 curr=11853 min=11787 max=13649 \
avg=12167.6 std=325
"""


def test_recorded():
    found = read_output(RECORDED)
    assert found.warmup["count"] == 58
    assert found.warmup["first"] == 25378
    assert found.timed == {
        "count": 110, "first": 8413, "curr": 8701, "min": 8085, "max": 15239, "avg": 8634.79,
        "std": 900,
    }  # fmt: skip
    assert found.init_us == 37367
    assert found.memory_bytes == {}
    assert [(row.op, row.us) for row in found.ops] == [("CONV_2D", 1165.0), ("SOFTMAX", 20.0)]
    assert found.ops[1].name == "Identity"
    assert found.nodes is None
    assert delegate_warnings("xnnpack", found, found.ops) == [
        "nothing in the tool's log says that xnnpack ran: take the figures as the plain CPU's"
    ]


def test_memory_and_what_was_created():
    found = read_output(XNNPACK)
    assert found.timed["avg"] == 55043.2
    assert found.memory_bytes == {"init": 9412605, "overall": 19632174}
    assert found.created == ("XNNPACK",)
    assert "does not say what it ran" in delegate_warnings("xnnpack", found, [])[0]


def test_all_of_it_on_the_gpu():
    found = read_output(GPU)
    assert (found.parts, found.created) == (1, ("GPU",))
    assert found.timed["min"] == 113737
    assert delegate_warnings("gpu", found, []) == []


def test_a_part_of_it_in_androids_log():
    found = read_output(NNAPI)
    assert (found.parts, found.created) == (44, ("NNAPI",))
    assert (found.warmup["count"], found.timed["count"]) == (40, 75)


def test_what_the_cpu_takes_of_the_rest_is_not_the_delegates():
    """The tool applies XNNPACK to whatever another delegate leaves, and logs it alike."""
    line = (
        "VERBOSE: Replacing {} out of {} node(s) with delegate ({}) node, yielding 1 partitions.\n"
    )
    cpu = line.format(40, 66, "TfLiteXNNPackDelegate")
    rows = [OpRow("TfLiteXNNPackDelegate", "Delegate/x", 5.0, 0)]
    found = read_output(cpu, "gpu")
    assert found.nodes is None
    assert delegate_that_ran("gpu", found, rows) is None
    assert "take the figures as the plain CPU's" in delegate_warnings("gpu", found, rows)[0]
    both = line.format(20, 66, "TfLiteGpuDelegateV2") + cpu
    assert read_output(both, "gpu").nodes == (20, 66)
    assert delegate_that_ran("gpu", read_output(both, "gpu"), rows) == "gpu"
    assert delegate_that_ran("xnnpack", read_output(cpu, "xnnpack"), rows) == "xnnpack"


def test_a_delegate_that_ran_nothing():
    text = "Though NNAPI delegate is explicitly applied, the model graph will not be executed by \
the delegate."
    assert delegate_warnings("nnapi", read_output(text), []) == [
        "nnapi was asked for, but ran no op of this model"
    ]


def test_nodes_are_counted():
    line = "VERBOSE: Replacing {} out of 66 node(s) with delegate (TfLiteXNNPackDelegate) node, \
yielding 2 partitions for the whole graph.\n"
    found = read_output(line.format(60) + line.format(4))
    assert found.nodes == (64, 66)


@pytest.mark.parametrize("text", ["", "count=", "count=x avg=y", "\t[avg ms]\n", " Run Order "])
def test_nonsense(text):
    found = read_output(text)
    assert found.ops == []
    assert not found.timed.get("count")


def test_flags():
    assert flags("gpu", "/x") == ["--use_gpu=true"]
    assert flags("none", "/x") == ["--use_xnnpack=false"]
    assert flags("qnn", "/data/local/tmp")[0].endswith("=/data/local/tmp/libQnnTFLiteDelegate.so")
    with pytest.raises(UsageError, match="no delegate 'reference'"):
        flags("reference", "/x")
