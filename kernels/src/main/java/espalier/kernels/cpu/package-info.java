/// What the backends that work in the process's own memory share: [CpuOps] (handles, transfers, workspaces) and
/// [CpuWeight] (a mapped matrix). Not exported.
package espalier.kernels.cpu;
