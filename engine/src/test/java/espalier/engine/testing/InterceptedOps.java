package espalier.engine.testing;

import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Workspace;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/// A backend in which a test sees, or changes, what is prepared, and how large each workspace has grown.
public final class InterceptedOps {
    private InterceptedOps() {}

    /// @param ops does the work
    /// @param matrices applied to each matrix before it is prepared
    /// @param closing called with each workspace before it is closed
    /// @return the backend
    public static Ops of(Ops ops, UnaryOperator<StoredMatrix> matrices, Consumer<Workspace> closing) {
        return proxy(Ops.class, (proxy, method, arguments) -> switch (method.getName()) {
            case "prepare" -> ops.prepare(matrices.apply((StoredMatrix) arguments[0]));
            case "newWorkspace" -> workspace(ops.newWorkspace(), closing);
            default -> invoke(ops, method, arguments);
        });
    }

    private static Workspace workspace(Workspace workspace, Consumer<Workspace> closing) {
        return proxy(Workspace.class, (proxy, method, arguments) -> {
            if (method.getName().equals("close")) {
                closing.accept(workspace);
            }
            return invoke(workspace, method, arguments);
        });
    }

    private static Object invoke(Object target, Method method, Object[] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    private static <T> T proxy(Class<T> type, InvocationHandler handler) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
    }
}
