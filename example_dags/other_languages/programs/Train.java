import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Learns how many minutes each airline gains or loses on the way. */
public class Train {
    public static void main(String[] arguments) throws IOException {
        List<String> lines = Files.readAllLines(Path.of(System.getenv("AIRFLOW_ML_INPUT_TRAIN")));
        Map<String, DoubleSummaryStatistics> onTheWay =
                lines.stream()
                        .skip(1)
                        .map(line -> line.split(","))
                        .collect(
                                Collectors.groupingBy(
                                        cells -> cells[0],
                                        TreeMap::new,
                                        Collectors.summarizingDouble(
                                                cells -> Double.parseDouble(cells[2]) - Double.parseDouble(cells[1]))));
        String model =
                onTheWay.entrySet().stream()
                        .map(entry -> String.format(Locale.ROOT, "\"%s\": %.3f", entry.getKey(), entry.getValue().getAverage()))
                        .collect(Collectors.joining(",\n  ", "{\n  ", "\n}\n"));
        Files.writeString(Path.of(System.getenv("AIRFLOW_ML_OUTPUT_MODEL")), model);
        Files.writeString(
                Path.of(System.getenv("AIRFLOW_ML_RESULT")),
                String.format("{\"metrics\": {\"airlines\": %d, \"rows\": %d}}", onTheWay.size(), lines.size() - 1));
        System.out.println("learned " + onTheWay.size() + " airlines");
    }
}
