"""Which extended resource is what: the names that the makers' device plugins, HAMi and Volcano give to accelerators.

Sources: the documentation of each maker's Kubernetes device plugin and labeller (NVIDIA k8s-device-plugin and GPU
feature discovery, ROCm k8s-device-plugin, Intel device plugins, Habana, MindCluster, Cambricon, Hygon, MetaX, Moore
Threads, Enflame, Biren, Iluvatar, GKE, EKS), and of HAMi and Volcano for those that they share out.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from aios.records.fleet import DeviceKind

__all__ = ["Meaning", "Vendor", "meaning_of"]

Role = Literal["whole", "shared", "part", "amount"]
"""whole: a device · shared: one of several places on a device that share it · part: what hardware cuts a device into ·
amount: memory or computing of devices that another resource counts.
"""


class Vendor(NamedTuple):
    """Whose accelerators a domain counts.

    names: labels that say which model it is · memory: labels with the memory of one device, and the unit of a bare
    number · kind: of device
    """

    maker: str
    kind: DeviceKind
    names: tuple[str, ...] = ()
    memory: tuple[tuple[str, str], ...] = ()


class Meaning(NamedTuple):
    """What one resource counts. name: of the model, where the resource says it · profile: of a part."""

    vendor: Vendor
    role: Role
    name: str | None = None
    profile: str | None = None


_NVIDIA = Vendor(
    "NVIDIA",
    "gpu",
    (
        "nvidia.com/gpu.product",
        "gpu.nvidia.com/model",
        "cloud.google.com/gke-accelerator",
        "k8s.amazonaws.com/accelerator",
        "karpenter.k8s.aws/instance-gpu-name",
        "aliyun.accelerator/nvidia_name",
    ),
    (
        ("nvidia.com/gpu.memory", "Mi"),
        ("aliyun.accelerator/nvidia_mem", "Mi"),
        ("karpenter.k8s.aws/instance-gpu-memory", "Mi"),
    ),
)
_AMD = Vendor(
    "AMD",
    "gpu",
    ("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name"),
    (("amd.com/gpu.vram", "Gi"), ("beta.amd.com/gpu.vram", "Gi")),
)
_INTEL = Vendor("Intel", "gpu", ("gpu.intel.com/product",))
_GAUDI = Vendor("Habana", "npu")
_HUAWEI = Vendor("Huawei", "npu", ("node.kubernetes.io/npu.chip.name",))
_CAMBRICON = Vendor("Cambricon", "npu", ("cambricon.com/mlu.product", "Model"))
_HYGON = Vendor("Hygon", "gpu", ("hygon.com/dcu.name",), (("hygon.com/dcu.vram", "Mi"),))
_KUNLUNXIN = Vendor("Kunlunxin", "npu")
_ILUVATAR = Vendor("Iluvatar", "gpu")
_METAX = Vendor("MetaX", "gpu", ("metax-tech.com/gpu.product",))
_MTHREADS = Vendor("Moore Threads", "gpu")
_ENFLAME = Vendor("Enflame", "npu")
_BIREN = Vendor("Biren", "gpu")
_GOOGLE = Vendor("Google", "tpu", ("cloud.google.com/gke-tpu-accelerator",))
_AWS = Vendor("AWS", "npu", ("karpenter.k8s.aws/instance-accelerator-name",))
_QUALCOMM = Vendor("Qualcomm", "npu")
_XILINX = Vendor("", "fpga")
_ALIBABA = Vendor("Alibaba", "npu")

# Domain -> the forms that a name behind it may have, the first that fits counts: pattern, role, and the model's name
# or the profile, in which \1 and so on stand for what the pattern finds.
_Form = tuple[str, Role, str | None, str | None]
_TABLE: dict[str, tuple[Vendor, tuple[_Form, ...]]] = {
    "nvidia.com": (
        _NVIDIA,
        (
            ("gpu", "whole", None, None),
            (r"gpu\.shared|vgpu", "shared", None, None),
            (r"mig-(\d+g\.\d+gb)(?:\.shared)?", "part", None, r"\1"),
            (r"mig-(\d+g\.\d+gb)\.([a-z.]+)", "part", None, r"\1+\2"),
            ("gpumem|gpumem-percentage|gpucores|priority|vcuda-.*", "amount", None, None),
            (r"[A-Z]{2}\d{3}[A-Z]*_(\w+)", "whole", r"\1", None),  # KubeVirt: chip, then the board: GA102GL_A10
        ),
    ),
    "volcano.sh": (
        _NVIDIA,
        (("vgpu-number", "shared", None, None), (r"vgpu-(memory|cores)|gpu-(memory|number)", "amount", None, None)),
    ),
    "aliyun.com": (
        _NVIDIA,
        (("gpu-count", "whole", None, None), (r"gpu-(mem|core\.percentage)", "amount", None, None)),
    ),
    "alibabacloud.com": (_ALIBABA, (("ppu", "whole", "PPU", None),)),
    "tencent.com": (_NVIDIA, (("vcuda-(core|memory)", "amount", None, None),)),
    "amd.com": (
        _AMD,
        (
            ("gpu", "whole", None, None),
            (r"((?:spx|dpx|tpx|qpx|cpx)_nps\d)", "part", None, r"\1"),
            (r"xilinx_(u\d+\w*?)[-_].*", "whole", r"Alveo \1", None),
        ),
    ),
    "gpu.intel.com": (
        _INTEL,
        (
            ("i915|xe", "whole", None, None),
            (r"(i915|xe)_monitoring|millicores|memory\.max|tiles", "amount", None, None),
        ),
    ),
    "habana.ai": (_GAUDI, (("gaudi", "whole", None, None),)),
    "huawei.com": (
        _HUAWEI,
        (
            (r"Ascend[\w-]*-(memory|core)|npu-core", "amount", None, None),
            (r"(Ascend\d+[A-Z]?)-(\d+)c((?:\.\w+)*)", "part", r"\1", r"\2c\3"),
            (r"Ascend310P-V", "whole", "Atlas 300V", None),
            (r"Ascend310P-VPro", "whole", "Atlas 300V Pro", None),
            (r"Ascend310P-IPro", "whole", "Atlas 300I Pro", None),
            (r"(Ascend[\w-]+|ascend-[\w-]+)", "whole", r"\1", None),
            ("npu", "whole", None, None),
        ),
    ),
    "cambricon.com": (
        _CAMBRICON,
        (
            ("mlu", "whole", None, None),
            (r"mlu(\d+[a-z]*\d*)", "whole", r"MLU\1", None),
            (r"mlu\.share|vmlu", "shared", None, None),
            (r"mlu(\d+[a-z]*\d*)\.share", "shared", r"MLU\1", None),
            (r"mlu(\d+[a-z]*\d*)\.mim-(.+)", "part", r"MLU\1", r"mim-\2"),
            (r"mlu\.mim-(.+)", "part", None, r"mim-\1"),
            (r"mlu\w*\.smlu\..*", "amount", None, None),
        ),
    ),
    "hygon.com": (
        _HYGON,
        (
            ("dcu", "whole", None, None),
            ("dcunum", "shared", None, None),
            (r"dcu-((?:share|mig)-.+)", "part", None, r"\1"),
            ("dcumem|dcucores", "amount", None, None),
        ),
    ),
    "kunlunxin.com": (
        _KUNLUNXIN,
        (("xpu", "whole", None, None), ("vxpu", "shared", None, None), ("vxpu-memory", "amount", None, None)),
    ),
    "baidu.com": (_KUNLUNXIN, (("xpu", "whole", None, None),)),
    "iluvatar.com": (_ILUVATAR, (("gpu", "whole", None, None),)),
    "iluvatar.ai": (
        _ILUVATAR,
        (
            ("gpu", "whole", None, None),
            ("vgpu", "shared", None, None),
            (r"([A-Z]+-V\d+\w*)-vgpu", "shared", r"\1", None),
            (r"vcuda-(core|memory)|.+\.v(Core|Mem)", "amount", None, None),
            (r"([A-Z]+-V\d+\w*)", "whole", r"\1", None),
        ),
    ),
    "metax-tech.com": (
        _METAX,
        (
            ("gpu|vfio-gpu", "whole", None, None),
            ("sgpu", "shared", None, None),
            ("v(core|memory)", "amount", None, None),
        ),
    ),
    "mthreads.com": (
        _MTHREADS,
        (
            ("gpu", "whole", None, None),
            ("vgpu|sgpu", "shared", None, None),
            ("sgpu-(core|memory)|v(core|memory)", "amount", None, None),
        ),
    ),
    "enflame.com": (
        _ENFLAME,
        (
            ("gcu", "whole", None, None),
            ("(shared|drs)-gcu|vgcu", "shared", None, None),
            ("gcu-count|gcu-memory|vgcu-percentage", "amount", None, None),
        ),
    ),
    "birentech.com": (_BIREN, (("gpu", "whole", None, None), (r"(1-[24])-gpu", "part", None, r"\1"))),
    "google.com": (_GOOGLE, (("tpu", "whole", None, None),)),
    "aws.amazon.com": (
        _AWS,
        (("neuron|neurondevice", "whole", None, None), ("neuroncore", "amount", None, None)),
    ),
    "qualcomm.com": (
        _QUALCOMM,
        (
            (r"qaic-(std|standard)", "whole", "Cloud AI 100 Standard", None),
            ("qaic-(pro|ultra)", "whole", r"Cloud AI 100 \1", None),
            ("qaic", "whole", None, None),
        ),
    ),
    "xilinx.com": (
        _XILINX,
        ((r"fpga-.*?_(u\d+\w*?)_.*", "whole", r"Alveo \1", None), ("fpga-.*", "whole", None, None)),
    ),
    "furiosa.ai": (Vendor("FuriosaAI", "npu"), (("(rngd|warboy)", "whole", r"\1", None),)),
    "c600.graphcore.ai": (Vendor("Graphcore", "npu"), (("ipu", "whole", "C600", None),)),
    "vastaitech.com": (Vendor("Vastai", "npu"), (("va", "whole", None, None),)),
}


def meaning_of(resource: str) -> Meaning | None:
    """Return what an extended resource counts; None for one that is no accelerator that is known."""
    domain, _, name = resource.partition("/")
    vendor, forms = _TABLE.get(domain, (_NVIDIA, ()))
    for pattern, role, model, profile in forms:
        found = re.fullmatch(pattern, name)
        if found:
            return Meaning(vendor, role, model and found.expand(model), profile and found.expand(profile))
    return None
