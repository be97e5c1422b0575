"""What torch calls operators, by what they do to the work of a network; for the scripts beside this file."""

_VIEWS = (
    "empty empty_strided new_empty new_empty_strided detach _unsafe_view lift_fresh alias scalar_tensor "
    "sym_size is_same_size empty_like as_strided_ squeeze_ unsqueeze_ t_ transpose_"
)
VIEWS = frozenset(_VIEWS.split())
_BATCH_NORMS = (
    "native_batch_norm _native_batch_norm_legit_no_training _native_batch_norm_legit cudnn_batch_norm "
    "batch_norm _batch_norm_no_update"
)
BATCH_NORMS = frozenset(_BATCH_NORMS.split())
_NORMS = "native_layer_norm native_group_norm _fused_rms_norm rms_norm"
NORMS = frozenset(_NORMS.split())
_SOFTMAXES = "_softmax _log_softmax _safe_softmax"
SOFTMAXES = frozenset(_SOFTMAXES.split())
_POOLS = (
    "mean sum amax amin max min var var_mean std linalg_vector_norm norm _adaptive_avg_pool2d "
    "adaptive_avg_pool2d avg_pool2d max_pool2d_with_indices adaptive_max_pool2d avg_pool1d cumsum topk argmax "
    "logsumexp prod avg_pool3d mkldnn_max_pool2d sort any all cummax"
)
POOLS = frozenset(_POOLS.split())
_MOVES = (
    "clone copy_ _to_copy cat stack constant_pad_nd reflection_pad2d replication_pad2d index index_select "
    "gather scatter roll flip repeat im2col col2im index_put_ index_put _unsafe_index upsample_bilinear2d "
    "upsample_bicubic2d upsample_nearest2d _upsample_bicubic2d_aa _upsample_bilinear2d_aa unfold_backward "
    "pixel_shuffle pixel_unshuffle channel_shuffle masked_fill masked_fill_ expand_copy grid_sampler_2d "
    "embedding slice_scatter select_scatter native_channel_shuffle contiguous scatter_ permute_copy view_copy "
    "tril triu meshgrid"
)
MOVES = frozenset(_MOVES.split())
_MADE = (
    "arange zeros ones full zeros_like ones_like linspace new_zeros new_ones new_full fill_ zero_ eye "
    "full_like rand bernoulli_ randperm"
)
MADE = frozenset(_MADE.split())
_CONVOLUTIONS = "convolution _convolution cudnn_convolution"
CONVOLUTIONS = frozenset(_CONVOLUTIONS.split())
_PRODUCTS = "addmm mm bmm baddbmm addmv mv dot _addmm_activation"
PRODUCTS = frozenset(_PRODUCTS.split())
FUSED = "scaled_dot_product_attention"
