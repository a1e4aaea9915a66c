package espalier.cli;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// A number of bytes with an optional unit: `500M`, `1.9G`, `6442450944`. Units are powers of 1024.
final class ByteCount implements ITypeConverter<Long> {
    private static final Pattern FORM = Pattern.compile("(\\d{1,18}(?:\\.\\d{1,6})?)([KMGT]?)");

    @Override
    public Long convert(String value) {
        Matcher matcher = FORM.matcher(value);
        if (!matcher.matches()) {
            throw new TypeConversionException(
                    "'" + value + "' is not a number of bytes, e.g. 500M, 1.9G or 6442450944");
        }
        double unit = Math.pow(1024, "KMGT".indexOf(matcher.group(2).isEmpty() ? '-' : matcher.group(2).charAt(0)) + 1);
        return Math.round(Double.parseDouble(matcher.group(1)) * unit);
    }
}
