package espalier.cli;

import espalier.engine.Progress;
import espalier.engine.generate.Generation;
import espalier.engine.generate.GenerationRequest;
import espalier.engine.generate.Generator;
import espalier.engine.generate.Sampler;
import espalier.engine.generate.SamplingOptions;
import espalier.engine.model.ModelFolder;
import espalier.kernels.Ops;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/// Lets models generate by turns, so that whatever disturbs the machine meets all of them alike: a sample of each, and
/// how fast it decodes.
///
/// @param prompt what is continued
/// @param sampling of the sample
/// @param sampleTokens that a sample has at most
record DecodeTurns(String prompt, SamplingOptions sampling, int sampleTokens) {
    private static final Logger LOG = System.getLogger("espalier.cli");

    /// How long rounds do not count: until then the compiler works beside the kernels.
    private static final double WARM_UP_SECONDS = 4;
    /// Odd, for its median.
    private static final int ROUNDS = 25;
    private static final int TIMED_TOKENS = 64;

    /// What came out of one model.
    ///
    /// @param bytes of its stored weights
    /// @param sample prompt and continuation
    /// @param tokensPerSecond median over the rounds
    record Turn(long bytes, String sample, double tokensPerSecond) {}

    /// @param folders of the models
    /// @param ops that runs them
    /// @param progress told of rounds
    /// @return for each model
    /// @throws IOException if a model cannot be read
    List<Turn> run(List<Path> folders, Ops ops, Progress progress) throws IOException {
        List<Writer> writers = new ArrayList<>();
        try {
            for (Path folder : folders) {
                writers.add(Writer.open(folder, ops));
            }
            double[][] rates = new double[writers.size()][ROUNDS]; // [models][rounds]
            long start = System.nanoTime();
            do {
                writers.forEach(writer -> writer.tokensPerSecond(prompt));
            } while ((System.nanoTime() - start) * 1e-9 < WARM_UP_SECONDS);
            for (int round = 0; round < ROUNDS; round++) {
                for (int i = 0; i < rates.length; i++) {
                    rates[i][round] = writers.get(i).tokensPerSecond(prompt);
                }
                progress.at(round + 1L, ROUNDS);
            }
            List<Turn> turns = new ArrayList<>();
            for (int i = 0; i < rates.length; i++) {
                LOG.log(Level.DEBUG, "tokens/s of {0}: {1}", folders.get(i), Arrays.toString(rates[i]));
                Arrays.sort(rates[i]);
                Writer writer = writers.get(i);
                turns.add(new Turn(writer.model.checkpoint().bytes(), writer.sample(this), rates[i][ROUNDS / 2]));
            }
            return turns;
        } finally {
            writers.forEach(Writer::close);
        }
    }

    /// One of the models.
    private record Writer(Path folder, ModelFolder model, Tokenizer tokenizer, Generator generator)
            implements AutoCloseable {
        static Writer open(Path folder, Ops ops) throws IOException {
            Tokenizer tokenizer = Tokenizer.load(folder);
            ModelFolder model = ModelFolder.open(folder, ops);
            return new Writer(folder, model, tokenizer, new Generator(model.model()));
        }

        /// Of the same number of tokens each time: an end token does not end it.
        double tokensPerSecond(String prompt) {
            return generate(prompt, TIMED_TOKENS, Set.of(), SamplingOptions.GREEDY).tokensPerSecond();
        }

        String sample(DecodeTurns turns) throws IOException {
            Set<Integer> ends = EndTokens.of(folder, model.config(), tokenizer);
            int[] made = generate(turns.prompt, turns.sampleTokens, ends, turns.sampling).ids();
            int[] all = IntStream.concat(IntStream.of(ids(turns.prompt)), IntStream.of(made)).toArray();
            return tokenizer.decode(all, true);
        }

        private Generation generate(String prompt, int tokens, Set<Integer> ends, SamplingOptions sampling) {
            GenerationRequest request = new GenerationRequest(ids(prompt), tokens, ends, tokenizer.vocabSize());
            return generator.generate(request, new Sampler(sampling), id -> true);
        }

        private int[] ids(String prompt) {
            return tokenizer.encode(prompt, EncodeOptions.WITH_SPECIALS);
        }

        @Override
        public void close() {
            generator.close();
            model.close();
        }
    }
}
