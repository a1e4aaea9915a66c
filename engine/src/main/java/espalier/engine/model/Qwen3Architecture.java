package espalier.engine.model;

import espalier.engine.model.Step.Signal;

/// Qwen3: Llama with q_norm and k_norm.
final class Qwen3Architecture extends LlamaArchitecture {
    @Override
    Signal beforeRotary(ChannelGraph.Builder pass, String norm, Signal heads) {
        return pass.headNorm(norm, heads);
    }
}
