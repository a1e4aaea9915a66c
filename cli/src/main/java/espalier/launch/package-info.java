/// From `java -jar` to the command line: [Launcher] (any Java), then [Startup] (Java 25, vector module).
package espalier.launch;
