module flights/evaluate

go 1.19
