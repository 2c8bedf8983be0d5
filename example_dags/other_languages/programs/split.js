// Splits flights by day: the model learns from the days before `test_from_day` of each month.
const fs = require("fs");
const path = require("path");

const { AIRFLOW_ML_INPUT_FLIGHTS: flights, AIRFLOW_ML_OUTPUT_TRAIN: train, AIRFLOW_ML_OUTPUT_TEST: test } = process.env;
const { test_from_day: from } = JSON.parse(process.env.AIRFLOW_ML_PARAMS);

const rows = { [train]: ["carrier,dep_delay,arr_delay"], [test]: ["carrier,dep_delay,arr_delay"] };
for (const name of fs.readdirSync(flights, { recursive: true }).map(String).sort()) {
  if (!name.endsWith(".csv")) continue;
  const [header, ...lines] = fs.readFileSync(path.join(flights, name), "utf8").trim().split(/\r?\n/);
  const columns = header.split(",");
  const [day, carrier, left, arrived] = ["day", "carrier", "dep_delay", "arr_delay"].map((name) => columns.indexOf(name));
  for (const line of lines) {
    const cells = line.split(",");
    if (cells[left] === "" || cells[arrived] === "") continue;
    rows[Number(cells[day]) < from ? train : test].push([cells[carrier], cells[left], cells[arrived]].join(","));
  }
}
for (const [file, lines] of Object.entries(rows)) fs.writeFileSync(file, lines.join("\n") + "\n");

const metrics = { train_rows: rows[train].length - 1, test_rows: rows[test].length - 1 };
fs.writeFileSync(process.env.AIRFLOW_ML_RESULT, JSON.stringify({ metrics }));
console.log("split", JSON.stringify(metrics));
