idf_component_register(SRCS "main.c" REQUIRES model driver esp_hw_support)
