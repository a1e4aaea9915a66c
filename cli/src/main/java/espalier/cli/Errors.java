package espalier.cli;

import espalier.engine.weights.CannotWriteException;
import espalier.engine.weights.CheckpointException;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/// Turns what went wrong into one line and an exit code.
final class Errors {
    /// The job failed, though the input was good; or the program has a defect.
    static final int JOB_FAILED = 1;

    /// The input was bad.
    static final int BAD_INPUT = 2;

    private Errors() {}

    /// @return the exit code for an exception that ended a command
    static int exitCode(Throwable e) {
        return switch (e) {
            case CannotWriteException _ -> JOB_FAILED;
            case UncheckedIOException unchecked -> exitCode(unchecked.getCause());
            case CheckpointException _, IllegalArgumentException _, IOException _ -> BAD_INPUT;
            default -> JOB_FAILED;
        };
    }

    /// Whatever nobody expected is a defect: people should know that it is not theirs.
    ///
    /// @return one line
    static String message(Throwable e) {
        String message = switch (e) {
            case UncheckedIOException unchecked -> message(unchecked.getCause());
            case NoSuchFileException missing when missing.getReason() == null ->
                missing.getFile() + ": no such file or folder";
            case AccessDeniedException denied when denied.getReason() == null -> denied.getFile() + ": access denied";
            case FileAlreadyExistsException exists when exists.getReason() == null ->
                exists.getFile() + ": exists already";
            case NotDirectoryException file when file.getReason() == null -> file.getFile() + ": is not a folder";
            case DirectoryNotEmptyException full when full.getReason() == null -> full.getFile() + ": is not empty";
            case FileSystemException failure -> failure.getMessage();
            case CheckpointException _, IllegalArgumentException _, IOException _ -> e.getMessage();
            case OutOfMemoryError memory -> "not enough memory: " + memory.getMessage();
            case IllegalStateException _, ArithmeticException _ -> e.getMessage();
            case DefectException defect -> internalError(defect.getCause());
            default -> internalError(e);
        };
        return (message == null ? e.toString() : message).strip().replaceAll("\\R", " ");
    }

    private static String internalError(Throwable e) {
        return "internal error: " + e + "; please report it, --debug shows where";
    }

    /// Prints an error of a job.
    static int report(Throwable e, boolean debug, PrintStream err) {
        err.println("espalier: " + message(e));
        if (debug) {
            e.printStackTrace(err);
        }
        return exitCode(e);
    }

    /// Prints an error of the command line.
    static int report(ParameterException e, PrintStream err) {
        CommandLine command = e.getCommandLine();
        String suggestion = "";
        if (e instanceof UnmatchedArgumentException unmatched && !unmatched.getSuggestions().isEmpty()) {
            suggestion = "; did you mean " + String.join(", ", unmatched.getSuggestions()) + "?";
        }
        String help = command.getCommand() instanceof JobCommand job ? job.helpArguments() : "--help";
        err.println("espalier: %s%s (see %s %s)"
                .formatted(
                        e.getMessage().strip().replaceAll("\\R", " "),
                        suggestion,
                        command.getCommandSpec().qualifiedName(),
                        help));
        return BAD_INPUT;
    }
}
