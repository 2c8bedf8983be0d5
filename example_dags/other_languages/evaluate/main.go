// Compares the model with the guess that a flight arrives as late as it left.
package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"
	"strconv"
)

func main() {
	content, err := os.ReadFile(os.Getenv("AIRFLOW_ML_INPUT_MODEL"))
	check(err)
	onTheWay := map[string]float64{}
	check(json.Unmarshal(content, &onTheWay))

	file, err := os.Open(os.Getenv("AIRFLOW_ML_INPUT_TEST"))
	check(err)
	rows, err := csv.NewReader(file).ReadAll()
	check(err)
	rows = rows[1:]

	var mistake, baseline float64
	for _, row := range rows {
		left, arrived := number(row[1]), number(row[2])
		mistake += math.Abs(left + onTheWay[row[0]] - arrived)
		baseline += math.Abs(left - arrived)
	}
	n := float64(len(rows))
	result, err := json.Marshal(map[string]any{
		"metrics": map[string]float64{"mae": mistake / n, "baseline_mae": baseline / n, "rows": n},
	})
	check(err)
	check(os.WriteFile(os.Getenv("AIRFLOW_ML_RESULT"), result, 0o644))
	fmt.Printf("mae %.2f, baseline %.2f\n", mistake/n, baseline/n)
}

func number(text string) float64 {
	value, err := strconv.ParseFloat(text, 64)
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
