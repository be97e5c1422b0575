"""Tables of operators, of communication and of services are read by their forms. The rows are invented."""

from pathlib import Path

import numpy as np
import pytest

from aios.cost.predictors import predictor
from aios.fleet import load_catalogue
from aios.records.observation import Observations
from aios.tables import load_forms, read_table

ROOT = Path(__file__).resolve().parents[2]
FORMS = load_forms(ROOT / "tables")
CATALOGUE = load_catalogue(ROOT / "hardware")

TABLES = {
    "llm/aic_gemm.csv": "system,backend,version,dtype,m,n,k,latency_ms\nh100_sxm,trtllm,1,bfloat16,64,4096,4096,0.02\n",
    "llm/aic_attention.csv": "system,backend,version,phase,dtype,kv_dtype,batch,seq,heads,kv_heads,head_dim,"
    "latency_ms\nh100_sxm,trtllm,1,generation,bfloat16,fp8,8,4096,32,8,128,0.1\n",
    "llm/aic_moe.csv": "system,backend,version,dtype,tokens,hidden,inter,topk,experts,tp,ep,distribution,latency_ms\n"
    "b200_sxm,trtllm,1,nvfp4,64,2048,768,8,128,1,8,power_law_1.2,0.05\n",
    "llm/aic_comm.csv": "system,library,backend,version,op,dtype,n_gpu,message_size,latency_ms\n"
    "h100_sxm,nccl,nccl,2,all_reduce,half,8,1048576,0.04\nl40s,nccl,nccl,2,alltoall,int8,4,1048576,0.2\n",
    "llm/vidur_network.csv": "node,op,n_gpu,devices_per_node,size,median_ms\n"
    "a100_pairwise_nvlink,all_reduce,4,4,1048576,0.3\n",
    "llm/vidur_layer_mlp.csv": "gpu,model,tp,num_tokens,n_head,n_kv_head,hidden,ffn,gated,attn_qkv_ms,attn_out_ms,"
    "mlp_up_ms,mlp_act_ms,mlp_down_ms,rope_ms,add_ms\n"
    "a100,org/model,2,1024,32,8,4096,14336,True,0.15,0.1,0.45,0.04,0.22,0.02,0.02\n",
    "llm/helix_layer_time.csv": "model,machine,phase,batch_or_tokens,time_ms\n"
    "llama2_70b,t4x2,decode,16,4\nllama2_70b,a100,prompt,1000,8\n",
    "serving/triton_perf.csv": "path,section,gpu,backend,backend_accel,precision,model_format,max_batch,instances,"
    "seq_len,batch,concurrency,inf_per_s,queue_ms,compute_ms,p50_ms,p90_ms,p95_ms,p99_ms,avg_ms\n"
    "PyTorch/Unheard/Of/triton,Online: NVIDIA T4; ONNX Runtime with FP16,NVIDIA T4,ONNX Runtime,-,FP16,ONNX,64,1,,1,8,"
    "400,9,10,19,21,21,22,20\n"
    "PyTorch/Forecasting/TFT/triton,Offline: NVIDIA T4; PyTorch with FP16,NVIDIA T4,PyTorch,-,FP16,TorchScript,1024,2,,"
    "1024,1,4100,0.1,5,250,250,250,250,250\n"
    "PyTorch/Segmentation/nnUNet/triton,Online: NVIDIA T4; PyTorch with FP32,T4,,,,,,1,,1,4,3.4,300,3,"
    "1100,1200,1200,1200,1150\n",
    "hardware/mamf_measured.csv": "device,dtype,measured_tflops,shape\nNVIDIA H100 SXM,bf16,790,2048x2048x8192\n",
    "hardware/flagperf_base.csv": "kind,test,vendor,chip,tdp_w,metric,value,unit\n"
    "benchmarks,computation-FP16,ascend,Atlas800T A2,350,measured,310,\n"
    "benchmarks,main_memory-bandwidth,iluvatar,BI150,350,measured,590,GB/s\n",
}


UNHEARD = "PyTorch/Unheard/Of/triton"


def read(folder: Path, name: str) -> tuple[Observations, ...]:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(TABLES[name])
    reading = read_table(path, FORMS, identify, name)
    assert reading.reason is None, reading.reason
    return reading.observations


def identify(word: str) -> str | None:
    found = CATALOGUE.names.identify(word).type
    return found.name if found else None


@pytest.mark.parametrize("name", TABLES)
def test_every_row_is_predicted_within_a_factor_of_three(tmp_path: Path, name: str) -> None:
    """By physics alone; a factor of a thousand in a unit would show."""
    observations = read(tmp_path, name)
    assert observations
    for observed in observations:
        model = predictor(observed.predictor)
        design = model.design(observed, CATALOGUE)
        known = design.unknown == ""
        assert set(observed.word("model")[~known]) <= {UNHEARD}
        assert np.abs(design.base - model.target(observed))[known].max(initial=0) < np.log(3)


def test_elements_become_bytes(tmp_path: Path) -> None:
    sizes = {
        str(item.word("precision")[0]): item.number("message_bytes")[0] for item in read(tmp_path, "llm/aic_comm.csv")
    }
    assert sizes == {"fp16": 2 * 1048576, "int8": 1048576}


def test_machines_of_several_devices_are_tensor_parallel(tmp_path: Path) -> None:
    (observed,) = read(tmp_path, "llm/helix_layer_time.csv")
    assert observed.number("tensor_parallel").tolist() == [2, 1]
    assert observed.types.tolist() == ["nvidia-t4", "nvidia-a100-sxm4-40gb"]
    assert observed.word("phase").tolist() == ["decode", "prefill"]


def test_services_are_told_by_their_titles(tmp_path: Path) -> None:
    """Precision and software stand in the title of a section; traced networks keep the precision of their weights."""
    rows = [found for found in read(tmp_path, "serving/triton_perf.csv") if found.metric == "latency.mean"]
    found = {str(name): place for part in rows for name, place in zip(part.word("model"), _each(part), strict=True)}
    assert found == {
        UNHEARD: ("ONNX Runtime", "fp16"),
        "temporal fusion transformer": ("PyTorch", "fp32"),
        "nnu-net at 128 voxels": ("PyTorch", "fp32"),
    }


def _each(part: Observations) -> list[tuple[str, str]]:
    columns = part.word("software"), part.word("precision")
    return [(str(software), str(precision)) for software, precision in zip(*columns, strict=True)]
