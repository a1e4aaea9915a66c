package espalier.cli;

import espalier.engine.adapt.LoraSettings;
import java.util.function.Function;
import java.util.function.Predicate;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// Numbers that an option takes. The parser names the option in what these refuse, by the name that it has in the
/// command: `--lr` of `finetune` is `--recover-lr` of `prune`.
///
/// @param <T> type of the numbers
abstract sealed class NumberRange<T extends Number> implements ITypeConverter<T> {
    private static final String AT_LEAST_0 = "an integer >= 0";
    private static final String AT_LEAST_1 = "an integer >= 1";

    private final Function<String, T> parser;
    private final Predicate<T> isIn;
    private final String range;

    private NumberRange(Function<String, T> parser, Predicate<T> isIn, String range) {
        this.parser = parser;
        this.isIn = isIn;
        this.range = range;
    }

    @Override
    public T convert(String value) {
        T number;
        try {
            number = parser.apply(value.strip());
        } catch (NumberFormatException e) {
            throw new TypeConversionException("'" + value + "' is not a number, expected " + range);
        }
        if (!isIn.test(number)) {
            throw new TypeConversionException("'" + value + "' is out of range, expected " + range);
        }
        return number;
    }

    /// How many, at least one.
    static final class Count extends NumberRange<Integer> {
        Count() {
            super(Integer::valueOf, number -> number >= 1, AT_LEAST_1);
        }
    }

    /// How many, at least one, where there may be billions.
    static final class LongCount extends NumberRange<Long> {
        LongCount() {
            super(Long::valueOf, number -> number >= 1, AT_LEAST_1);
        }
    }

    /// How many, or none.
    static final class CountOrNone extends NumberRange<Integer> {
        CountOrNone() {
            super(Integer::valueOf, number -> number >= 0, AT_LEAST_0);
        }
    }

    /// How many, or none, where there may be billions.
    static final class LongCountOrNone extends NumberRange<Long> {
        LongCountOrNone() {
            super(Long::valueOf, number -> number >= 0, AT_LEAST_0);
        }
    }

    /// Tokens of a sequence that something can be learnt from: one predicts the next.
    static final class Length extends NumberRange<Integer> {
        Length() {
            super(Integer::valueOf, number -> number >= 2, "an integer >= 2");
        }
    }

    /// Finite and positive.
    static final class Positive extends NumberRange<Double> {
        Positive() {
            super(Double::valueOf, number -> number > 0 && Double.isFinite(number), "a number > 0");
        }
    }

    /// Finite and not negative.
    static final class NotNegative extends NumberRange<Double> {
        NotNegative() {
            super(Double::valueOf, number -> number >= 0 && Double.isFinite(number), "a number >= 0");
        }
    }

    /// A part of something, not all of it.
    static final class Share extends NumberRange<Double> {
        Share() {
            super(Double::valueOf, number -> number > 0 && number < 1, "a number in (0, 1)");
        }
    }

    /// What [LoraSettings] takes as dropout.
    static final class Dropout extends NumberRange<Double> {
        Dropout() {
            super(
                    Double::valueOf, number -> number >= 0 && number <= LoraSettings.MOST_DROPOUT,
                    "a number from 0 to 65535/65536");
        }
    }
}
