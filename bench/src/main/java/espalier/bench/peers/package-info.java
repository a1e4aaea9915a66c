/// Our side of a side-by-side measurement: [KernelServer] runs the kernels that `bench/peers/side_by_side.py` asks for,
/// by turns with OpenBLAS and PyTorch in the script's own process.
package espalier.bench.peers;
