/// System calls that the JDK does not offer, each with its status checked: [ProcessImage] replaces the process,
/// [MappedMemory] advises the kernel about mapped files, [NativeMemory] is the view through which kernels address
/// memory, [PeakMemory] tells the most that was resident.
package espalier.bindings;
