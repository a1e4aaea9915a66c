package espalier.cli;

import espalier.engine.adapt.LoraSettings;
import java.util.function.Function;
import java.util.function.Predicate;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// Numbers that an option takes. The parser names the option in what these refuse, by the name that it has in the
/// command: `--lr` of `finetune` is `--recover-lr` of `prune`.
final class NumberRange {
    private NumberRange() {}

    private static <T> T convert(String value, Function<String, T> parser, Predicate<T> isIn, String range) {
        try {
            T number = parser.apply(value.strip());
            if (isIn.test(number)) {
                return number;
            }
        } catch (NumberFormatException e) {
            throw new TypeConversionException("'" + value + "' is not a number, expected " + range);
        }
        throw new TypeConversionException("'" + value + "' is out of range, expected " + range);
    }

    /// How many, at least one.
    static final class Count implements ITypeConverter<Integer> {
        @Override
        public Integer convert(String value) {
            return NumberRange.convert(value, Integer::valueOf, number -> number >= 1, "an integer >= 1");
        }
    }

    /// How many, at least one, where there may be billions.
    static final class LongCount implements ITypeConverter<Long> {
        @Override
        public Long convert(String value) {
            return NumberRange.convert(value, Long::valueOf, number -> number >= 1, "an integer >= 1");
        }
    }

    /// How many, or none.
    static final class CountOrNone implements ITypeConverter<Integer> {
        @Override
        public Integer convert(String value) {
            return NumberRange.convert(value, Integer::valueOf, number -> number >= 0, "an integer >= 0");
        }
    }

    /// How many, or none, where there may be billions.
    static final class LongCountOrNone implements ITypeConverter<Long> {
        @Override
        public Long convert(String value) {
            return NumberRange.convert(value, Long::valueOf, number -> number >= 0, "an integer >= 0");
        }
    }

    /// Tokens of a sequence that something can be learnt from: one predicts the next.
    static final class Length implements ITypeConverter<Integer> {
        @Override
        public Integer convert(String value) {
            return NumberRange.convert(value, Integer::valueOf, number -> number >= 2, "an integer >= 2");
        }
    }

    /// Finite and positive.
    static final class Positive implements ITypeConverter<Double> {
        @Override
        public Double convert(String value) {
            return NumberRange.convert(
                    value, Double::valueOf, number -> number > 0 && Double.isFinite(number), "a number > 0");
        }
    }

    /// Finite and not negative.
    static final class NotNegative implements ITypeConverter<Double> {
        @Override
        public Double convert(String value) {
            return NumberRange.convert(
                    value, Double::valueOf, number -> number >= 0 && Double.isFinite(number), "a number >= 0");
        }
    }

    /// What [LoraSettings] takes as dropout.
    static final class Dropout implements ITypeConverter<Double> {
        @Override
        public Double convert(String value) {
            return NumberRange.convert(
                    value, Double::valueOf, number -> number >= 0 && number <= LoraSettings.MOST_DROPOUT,
                    "a number from 0 to 65535/65536");
        }
    }
}
