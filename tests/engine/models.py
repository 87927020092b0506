"""Small models of several families: what makes each architecture's file, and nothing more.

Shapes are chosen so that every family's own rule shows: grouped attention, a sliding window shorter than the
context, experts, compressed keys (MLA), recurrent state, and both in one model.
"""
from gguf_writer import tokenizer

EMBEDDING, FEED_FORWARD, LAYERS, VOCABULARY = 512, 1024, 6, 1024
HEADS, KV_HEADS, HEAD = 8, 4, 64
EXPERTS, EXPERTS_USED, EXPERT_FEED_FORWARD = 8, 2, 256
INNER, STATE, CONVOLUTION, TIME_STEP = 1024, 16, 4, 32
TRAINED_CONTEXT = 8192


def common(architecture, layers=LAYERS, **more):
    metadata = {"general.architecture": architecture, "general.name": f"small {architecture}",
                f"{architecture}.context_length": TRAINED_CONTEXT, f"{architecture}.embedding_length": EMBEDDING,
                f"{architecture}.block_count": layers, f"{architecture}.feed_forward_length": FEED_FORWARD,
                f"{architecture}.attention.head_count": HEADS, f"{architecture}.attention.head_count_kv": KV_HEADS,
                f"{architecture}.attention.layer_norm_rms_epsilon": 1e-5, **tokenizer(VOCABULARY)}
    metadata.update({f"{architecture}.{key}": value for key, value in more.items()})
    return metadata


def edges(kind, tied=False):
    tensors = [("token_embd.weight", (EMBEDDING, VOCABULARY), kind), ("output_norm.weight", (EMBEDDING,), "f32")]
    return tensors if tied else tensors + [("output.weight", (EMBEDDING, VOCABULARY), kind)]


def attention(layer, kind, head=HEAD, bias=False, norm=False):
    at = f"blk.{layer}."
    tensors = [(at + "attn_norm.weight", (EMBEDDING,), "f32"),
               (at + "attn_q.weight", (EMBEDDING, HEADS * head), kind),
               (at + "attn_k.weight", (EMBEDDING, KV_HEADS * head), kind),
               (at + "attn_v.weight", (EMBEDDING, KV_HEADS * head), kind),
               (at + "attn_output.weight", (HEADS * head, EMBEDDING), kind)]
    if bias:
        tensors += [(at + "attn_q.bias", (HEADS * head,), "f32"), (at + "attn_k.bias", (KV_HEADS * head,), "f32"),
                    (at + "attn_v.bias", (KV_HEADS * head,), "f32")]
    if norm:
        tensors += [(at + "attn_q_norm.weight", (head,), "f32"), (at + "attn_k_norm.weight", (head,), "f32")]
    return tensors


def feed_forward(layer, kind):
    at = f"blk.{layer}."
    return [(at + "ffn_norm.weight", (EMBEDDING,), "f32"), (at + "ffn_gate.weight", (EMBEDDING, FEED_FORWARD), kind),
            (at + "ffn_up.weight", (EMBEDDING, FEED_FORWARD), kind),
            (at + "ffn_down.weight", (FEED_FORWARD, EMBEDDING), kind)]


def experts(layer, kind):
    at = f"blk.{layer}."
    return [(at + "ffn_norm.weight", (EMBEDDING,), "f32"), (at + "ffn_gate_inp.weight", (EMBEDDING, EXPERTS), "f32"),
            (at + "ffn_gate_exps.weight", (EMBEDDING, EXPERT_FEED_FORWARD, EXPERTS), kind),
            (at + "ffn_up_exps.weight", (EMBEDDING, EXPERT_FEED_FORWARD, EXPERTS), kind),
            (at + "ffn_down_exps.weight", (EXPERT_FEED_FORWARD, EMBEDDING, EXPERTS), kind)]


def mamba_mixer(layer, kind):
    at = f"blk.{layer}."
    return [(at + "attn_norm.weight", (EMBEDDING,), "f32"), (at + "ssm_in.weight", (EMBEDDING, 2 * INNER), kind),
            (at + "ssm_conv1d.weight", (CONVOLUTION, INNER), "f32"), (at + "ssm_conv1d.bias", (INNER,), "f32"),
            (at + "ssm_x.weight", (INNER, TIME_STEP + 2 * STATE), kind),
            (at + "ssm_dt.weight", (TIME_STEP, INNER), kind), (at + "ssm_dt.bias", (INNER,), "f32"),
            (at + "ssm_a", (STATE, INNER), "f32"), (at + "ssm_d", (INNER,), "f32"),
            (at + "ssm_out.weight", (INNER, EMBEDDING), kind)]


def state_keys():
    return {"ssm.inner_size": INNER, "ssm.state_size": STATE, "ssm.conv_kernel": CONVOLUTION,
            "ssm.time_step_rank": TIME_STEP}


def dense(architecture, kind, tied=False, **parts):
    tensors = edges(kind, tied)
    for layer in range(LAYERS):
        tensors += attention(layer, kind, **parts) + feed_forward(layer, kind)
    return common(architecture), tensors


def llama(kind):
    return dense("llama", kind)


def qwen2(kind):
    return dense("qwen2", kind, tied=True, bias=True)


def qwen3(kind):
    head = 128
    metadata, tensors = dense("qwen3", kind, head=head, norm=True)
    return {**metadata, "qwen3.attention.key_length": head, "qwen3.attention.value_length": head}, tensors


def gemma3(kind):
    metadata, tensors = dense("gemma3", kind, tied=True, norm=True)
    for layer in range(LAYERS):
        tensors += [(f"blk.{layer}.post_attention_norm.weight", (EMBEDDING,), "f32"),
                    (f"blk.{layer}.post_ffw_norm.weight", (EMBEDDING,), "f32")]
    return {**metadata, "gemma3.attention.sliding_window": 512, "gemma3.attention.key_length": HEAD,
            "gemma3.attention.value_length": HEAD}, tensors


def qwen3moe(kind):
    metadata = common("qwen3moe", expert_count=EXPERTS, expert_used_count=EXPERTS_USED,
                      expert_feed_forward_length=EXPERT_FEED_FORWARD,
                      **{"attention.key_length": HEAD, "attention.value_length": HEAD})
    tensors = edges(kind)
    for layer in range(LAYERS):
        tensors += attention(layer, kind, norm=True) + experts(layer, kind)
    return metadata, tensors


def deepseek2(kind):
    query, latent, rotated, plain, value = 192, 128, 32, 32, 64
    metadata = common("deepseek2", expert_count=EXPERTS, expert_used_count=EXPERTS_USED,
                      expert_feed_forward_length=EXPERT_FEED_FORWARD, expert_shared_count=1,
                      leading_dense_block_count=1, expert_weights_scale=1.0, expert_gating_func=1,
                      **{"attention.head_count_kv": 1, "attention.kv_lora_rank": latent,
                         "attention.q_lora_rank": query,
                         "attention.key_length": latent + rotated, "attention.value_length": latent,
                         "attention.key_length_mla": plain + rotated, "attention.value_length_mla": value,
                         "rope.dimension_count": rotated, "vocab_size": VOCABULARY})
    tensors = edges(kind)
    for layer in range(LAYERS):
        at = f"blk.{layer}."
        tensors += [(at + "attn_norm.weight", (EMBEDDING,), "f32"),
                    (at + "attn_q_a.weight", (EMBEDDING, query), kind),
                    (at + "attn_q_a_norm.weight", (query,), "f32"),
                    (at + "attn_q_b.weight", (query, HEADS * (plain + rotated)), kind),
                    (at + "attn_kv_a_mqa.weight", (EMBEDDING, latent + rotated), kind),
                    (at + "attn_kv_a_norm.weight", (latent,), "f32"),
                    (at + "attn_k_b.weight", (plain, latent, HEADS), kind),
                    (at + "attn_v_b.weight", (latent, value, HEADS), kind),
                    (at + "attn_output.weight", (HEADS * value, EMBEDDING), kind)]
        if layer == 0:
            tensors += feed_forward(layer, kind)
            continue
        tensors += experts(layer, kind) + [
            (at + "ffn_gate_shexp.weight", (EMBEDDING, EXPERT_FEED_FORWARD), kind),
            (at + "ffn_up_shexp.weight", (EMBEDDING, EXPERT_FEED_FORWARD), kind),
            (at + "ffn_down_shexp.weight", (EXPERT_FEED_FORWARD, EMBEDDING), kind)]
    return metadata, tensors


def mamba(kind):
    metadata = common("mamba", **state_keys(), **{"attention.head_count": 0, "attention.head_count_kv": 0,
                                                  "feed_forward_length": 0})
    tensors = edges(kind, tied=True)
    for layer in range(LAYERS):
        tensors += mamba_mixer(layer, kind)
    return metadata, tensors


def jamba(kind):
    """Attention in every third layer, a state in the others."""
    attends = [layer % 3 == 1 for layer in range(LAYERS)]
    metadata = common("jamba", **state_keys())
    metadata["jamba.attention.head_count_kv"] = [KV_HEADS if there else 0 for there in attends]
    tensors = edges(kind)
    for layer, there in enumerate(attends):
        at = f"blk.{layer}."
        norms = [(at + "ssm_dt_norm.weight", (TIME_STEP,), "f32"), (at + "ssm_b_norm.weight", (STATE,), "f32"),
                 (at + "ssm_c_norm.weight", (STATE,), "f32")]
        tensors += attention(layer, kind) if there else mamba_mixer(layer, kind) + norms
        tensors += feed_forward(layer, kind)
    return metadata, tensors


FAMILIES = {maker.__name__: maker for maker in (llama, qwen2, qwen3, gemma3, qwen3moe, deepseek2, mamba, jamba)}


# Layers that make the file about a gigabyte.
LARGE_LAYERS = {"q8_0": 18, "q4_0": 38}


def large(kind):
    """A dense model of about a gigabyte, in shapes of a published one of 1.1 billion parameters."""
    embedding, inner, heads, kv_heads = 2048, 5632, 32, 8
    layers = LARGE_LAYERS[kind]
    vocabulary = 32000
    keys = {"context_length": TRAINED_CONTEXT, "embedding_length": embedding, "block_count": layers,
            "feed_forward_length": inner, "attention.head_count": heads, "attention.head_count_kv": kv_heads,
            "attention.layer_norm_rms_epsilon": 1e-5}
    metadata = {"general.architecture": "llama", "general.name": "large llama", **tokenizer(vocabulary),
                **{f"llama.{key}": value for key, value in keys.items()}}
    tensors = [("token_embd.weight", (embedding, vocabulary), kind), ("output_norm.weight", (embedding,), "f32"),
               ("output.weight", (embedding, vocabulary), kind)]
    for layer in range(layers):
        at = f"blk.{layer}."
        keys_width = embedding // heads * kv_heads
        tensors += [(at + "attn_norm.weight", (embedding,), "f32"), (at + "attn_q.weight", (embedding, embedding), kind),
                    (at + "attn_k.weight", (embedding, keys_width), kind),
                    (at + "attn_v.weight", (embedding, keys_width), kind),
                    (at + "attn_output.weight", (embedding, embedding), kind),
                    (at + "ffn_norm.weight", (embedding,), "f32"), (at + "ffn_gate.weight", (embedding, inner), kind),
                    (at + "ffn_up.weight", (embedding, inner), kind), (at + "ffn_down.weight", (inner, embedding), kind)]
    return metadata, tensors
