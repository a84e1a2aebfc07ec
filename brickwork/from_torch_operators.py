"""What torch operators without multiply-accumulates cost."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# No bytes move: another shape of the same elements, or a constant.
_FREE = _words(
    "view _unsafe_view reshape flatten unflatten permute transpose t numpy_T expand expand_as squeeze unsqueeze "
    "select slice split split_with_sizes chunk unbind narrow alias detach detach_ lift_fresh_copy view_as "
    "movedim swapaxes diagonal as_strided unfold arange full zeros ones empty zeros_like ones_like full_like "
    "empty_like new_zeros new_ones new_full new_empty scalar_tensor eye linspace sym_size sym_numel dropout "
    "feature_dropout native_dropout contiguous _assert_tensor_metadata _assert_scalar _assert_async item "
    "_local_scalar_dense broadcast_to real imag view_as_real view_as_complex resolve_conj resolve_neg dropout_ "
    "sym_constrain_range_for_size sym_constrain_range pin_memory tensor_split hsplit vsplit meshgrid "
    "broadcast_tensors unsafe_split unsafe_chunk tril_indices triu_indices lift"
)
_COUNTED = _words(
    # Normalisations and softmax.
    "layer_norm native_layer_norm group_norm native_group_norm batch_norm native_batch_norm instance_norm rms_norm "
    "_fused_rms_norm _native_batch_norm_legit _native_batch_norm_legit_no_training _batch_norm_with_update "
    "_batch_norm_no_update softmax _softmax log_softmax _log_softmax _safe_softmax normalize local_response_norm "
    # Reductions.
    "sum mean amax amin max min var std var_mean std_mean argmax argmin any all prod norm linalg_vector_norm "
    "logsumexp cumsum cumprod count_nonzero "
    # Pooling and resizing.
    "max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d "
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d "
    "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d upsample_nearest1d upsample_nearest2d "
    "upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d upsample_bilinear2d upsample_linear1d "
    "upsample_bicubic2d upsample_trilinear3d _upsample_bilinear2d_aa _upsample_bicubic2d_aa "
    # Movement.
    "cat concat concatenate stack index index_select gather embedding slice_scatter select_scatter scatter scatter_add "
    "index_put index_add index_copy copy copy_ clone constant_pad_nd pad roll flip repeat repeat_interleave tile "
    "_to_copy to type_as pixel_shuffle pixel_unshuffle channel_shuffle im2col col2im tril triu one_hot masked_fill "
    "where reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d replication_pad3d index_put_ take "
    "masked_scatter unfold_copy "
    # Activations that torch does not tag.
    "gelu silu relu relu_ relu6 relu6_ hardtanh hardtanh_ hardswish hardswish_ prelu glu leaky_relu_ elu_ silu_ "
    "softplus mish rsub bernoulli rand randn rand_like randn_like celu"
)
# Without products, but with an amount of work that depends on the data or on the algorithm.
_UNCOUNTED = _words(
    "sort topk argsort nonzero unique _unique2 unique_consecutive multinomial searchsorted bucketize kthvalue median "
    "mode histc bincount"
)


def is_free(operator: str) -> bool:
    """No arithmetic, and no element moves."""
    return operator in _FREE


def is_counted(operator: str, tags: frozenset[str]) -> bool:
    """Elementwise, a reduction, pooling or movement: what it costs follows from its shapes."""
    return operator in _COUNTED or bool(tags & {"pointwise", "reduction"})


def multiplies(operator: str, namespace: str) -> bool:
    """An operator that is not counted may have multiply-accumulates."""
    return namespace != "aten" or operator not in _UNCOUNTED
