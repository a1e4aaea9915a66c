/// What tests of kernels and of the modules above them share, as a test jar: Java processes of their own.
package espalier.kernels.testing;
