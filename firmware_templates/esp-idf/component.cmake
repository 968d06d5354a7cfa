idf_component_register(
    SRCS
{% for source in sources %}
        "{{ source }}"
{% endfor %}
    INCLUDE_DIRS "."{% if include_folders != ["."] %}{% for folder in include_folders %} "{{ folder }}"{% endfor %}{% endif %}{% if tflm_stems %}

    REQUIRES esp-tflite-micro{% endif %})
target_compile_options(${COMPONENT_LIB} PRIVATE {{ optimization }})
