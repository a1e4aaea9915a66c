package espalier.engine.weights;

import java.util.Optional;

/// Rotary position fields, of old files (`rope_theta`, `rope_scaling`) and new ones (`rope_parameters`).
///
/// @param theta base of the frequencies
/// @param type kind of scaling, `default` for none
/// @param rotatedPart which part of a head is rotated, 1 for all of it
record RopeFields(double theta, String type, double rotatedPart) {
    private static final double LLAMA_THETA = 10000;

    static RopeFields read(ConfigFields fields, ModelFamily family) {
        Optional<ConfigFields> current = fields.object("rope_parameters");
        Optional<ConfigFields> scaling = fields.object("rope_scaling");
        Optional<String> oldType = scaling.map(RopeFields::type);
        Optional<String> newType = current.map(RopeFields::type);
        if (oldType.isPresent() && newType.isPresent() && !oldType.equals(newType)) {
            throw fields.failure("rope_parameters has rope_type " + newType.get() + ", but rope_scaling has "
                    + oldType.get());
        }
        double part = fields.positive("partial_rotary_factor", 1);
        if (current.isPresent()) {
            part = current.get().positive("partial_rotary_factor", part);
        }
        return new RopeFields(theta(fields, current, family), newType.or(() -> oldType).orElse("default"), part);
    }

    private static double theta(ConfigFields fields, Optional<ConfigFields> current, ModelFamily family) {
        if (current.isPresent() && current.get().has("rope_theta")) {
            double theta = current.get().positive("rope_theta");
            if (fields.has("rope_theta") && fields.positive("rope_theta") != theta) {
                throw fields.failure("rope_parameters.rope_theta is " + theta + ", but rope_theta is "
                        + fields.positive("rope_theta"));
            }
            return theta;
        }
        boolean mayBeAbsent =
                current.isEmpty() && (family == ModelFamily.LLAMA || family == ModelFamily.MISTRAL);
        return mayBeAbsent ? fields.positive("rope_theta", LLAMA_THETA) : fields.positive("rope_theta");
    }

    private static String type(ConfigFields scaling) {
        return scaling.optionalText("rope_type")
                .or(() -> scaling.optionalText("type"))
                .orElse("default");
    }
}
