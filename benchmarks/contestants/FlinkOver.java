import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/** Runs the statements of a file one after the other in one local cluster; prints how long each took, in seconds. */
public class FlinkOver {
    public static void main(String[] arguments) throws Exception {
        Configuration configuration = new Configuration();
        configuration.setString("parallelism.default", "1");
        TableEnvironment tables = TableEnvironment.create(
                EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(configuration).build());
        for (String statement : Files.readString(Path.of(arguments[0])).split(";")) {
            if (statement.isBlank()) continue;
            long start = System.nanoTime();
            tables.executeSql(statement).await();
            System.out.println((System.nanoTime() - start) / 1e9);
        }
        System.exit(0);
    }
}
