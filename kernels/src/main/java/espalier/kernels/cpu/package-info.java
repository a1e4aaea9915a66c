/// What the backends that work in the process's own memory share: [CpuOps] (handles, transfers, workspaces),
/// [CpuWeight] (a mapped matrix), [HostMemory] (single elements) and [Shapes] (the contract's argument checks). Not
/// exported.
package espalier.kernels.cpu;
