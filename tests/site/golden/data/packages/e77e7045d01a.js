gitml.take("packages/e77e7045d01a",'{"schema": 1, "packages": [["numpy", "1.26.4"]]}');
