package espalier.cli;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Whether a model that carries a prompt is given it.
final class PrefixOption {
    @Option(
            names = "--prefix",
            paramLabel = "none|train|past",
            converter = Converter.class,
            description = "Put the prompt that the model carries in its config.json before each input: train as it was "
                    + "trained with, past in the past tense (default: train where it carries one).")
    private Mode mode;

    /// Which of a model's texts.
    enum Mode {
        /// None.
        NONE,
        /// As in training.
        TRAIN,
        /// The one that says that the pruning is over.
        PAST;

        String optionName() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /// @return what the command line asks for, if anything
    Optional<Mode> mode() {
        return Optional.ofNullable(mode);
    }

    static final class Converter implements ITypeConverter<Mode> {
        @Override
        public Mode convert(String value) {
            return Arrays.stream(Mode.values())
                    .filter(mode -> mode.optionName().equals(value))
                    .findFirst()
                    .orElseThrow(() -> new TypeConversionException(
                            "'" + value + "' is not a prefix; there are none, train and past"));
        }
    }
}
