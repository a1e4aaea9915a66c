/// Where tests of every module find the golden data beside the checkout; shared as a test jar.
package espalier.testing;
