package espalier.cli;

import espalier.engine.masked.MaskMethod;
import espalier.engine.masked.TeacherSettings;
import espalier.engine.masked.TeacherSettings.Mode;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Who teaches a NutePrune student, and what.
final class TeacherOptions {
    @Option(
            names = "--teacher",
            paramLabel = "intact|progressive|numerous",
            converter = ModeConverter.class,
            defaultValue = "numerous",
            description = "Who teaches: the whole model alone; snapshots of the student that follow it; or these, and "
                    + "at the target sparsity ever denser ones up to the whole model (default: ${DEFAULT-VALUE}).")
    private Mode mode;

    @Option(
            names = "--teachers",
            paramLabel = "N",
            description = "Snapshots to keep as teachers, N + 1 intervals apart up to --sparsity "
                    + "(default: one for each --teacher-interval).")
    private Integer count;

    @Option(
            names = "--teacher-interval",
            paramLabel = "I",
            description = "Instead of --teachers: expected sparsity between two of them (default: 0.01).")
    private Double interval;

    @Option(
            names = "--teacher-gap",
            paramLabel = "G",
            converter = NumberRange.Count.class,
            description = "How many snapshots back the teacher is while the sparsity rises (default: as many as make "
                    + "0.1 of sparsity, 10 of the usual ones).")
    private Integer gap;

    @Option(
            names = "--as-released",
            description = "Choose teachers as the release does in its edge cases too, to reproduce it: a run that "
                    + "reaches the sparsity with fewer steps left than teachers then ends with an error.")
    private boolean released;

    @Option(
            names = "--kl-weight",
            paramLabel = "W",
            converter = NumberRange.NotNegative.class,
            defaultValue = "0.1",
            description = "Weight of the divergence from the teacher's predictions, summed over the tokens of a "
                    + "sequence (default: ${DEFAULT-VALUE}).")
    private double klWeight;

    @Option(
            names = "--layer-weight",
            paramLabel = "W",
            converter = NumberRange.NotNegative.class,
            defaultValue = "0.9",
            description = "Weight of the squared distance from the teacher's hidden states, summed over layers "
                    + "(default: ${DEFAULT-VALUE}).")
    private double layerWeight;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            converter = NumberRange.Positive.class,
            description = "Temperature of both predictions in the divergence (default: 2/3).")
    private Double temperature;

    /// @param sparsity target of the run
    /// @return what is minimised
    /// @throws IllegalArgumentException naming options that contradict each other or the sparsity
    MaskMethod method(double sparsity) {
        if (klWeight == 0 && layerWeight == 0) {
            throw new IllegalArgumentException("--kl-weight and --layer-weight are both 0, so nothing would be learnt");
        }
        double usual = MaskMethod.NutePrune.RELEASED.temperature();
        return new MaskMethod.NutePrune(
                klWeight, layerWeight, temperature == null ? usual : temperature, teachers(sparsity));
    }

    private TeacherSettings teachers(double sparsity) {
        if (mode == Mode.INTACT && (count != null || interval != null || gap != null)) {
            throw new IllegalArgumentException("--teacher intact has no snapshots: it excludes --teachers,"
                    + " --teacher-interval and --teacher-gap");
        }
        if (count != null && interval != null) {
            throw new IllegalArgumentException("--teachers and --teacher-interval exclude each other");
        }
        if (count != null && count < 1) {
            throw new IllegalArgumentException(
                    "--teachers must be positive, got " + count + "; --teacher intact goes without snapshots");
        }
        if (interval != null && !(interval > 0 && interval < sparsity)) {
            throw new IllegalArgumentException("--teacher-interval is " + interval
                    + ", expected a positive number below the sparsity " + sparsity);
        }
        double step = interval != null ? interval
                : count != null ? sparsity / (count + 1)
                : TeacherSettings.RELEASED.interval();
        return new TeacherSettings(mode, step, gap != null ? gap : usualGap(step), released);
    }

    /// So many snapshots that student and teacher are as far apart as in the release.
    private static int usualGap(double interval) {
        TeacherSettings usual = TeacherSettings.RELEASED;
        return (int) Math.max(1, Math.min(Integer.MAX_VALUE, Math.round(usual.gap() * usual.interval() / interval)));
    }

    static final class ModeConverter implements ITypeConverter<Mode> {
        @Override
        public Mode convert(String value) {
            return switch (value) {
                case "intact" -> Mode.INTACT;
                case "progressive" -> Mode.PROGRESSIVE;
                case "numerous" -> Mode.NUMEROUS;
                default -> throw new TypeConversionException(
                        "'" + value + "' is not a choice of teachers; there are intact, progressive and numerous");
            };
        }
    }
}
