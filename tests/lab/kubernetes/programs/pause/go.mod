module horizontal.scaling/lab/pause

go 1.21
