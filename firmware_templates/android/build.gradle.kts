// {{ name }}: an Android library (AAR). Made by edgeq {{ edgeq_version }}.
plugins {
    id("com.android.library") version "8.7.3"
    id("org.jetbrains.kotlin.android") version "2.0.21"
}

// -PedgeqNdk builds the C with your NDK instead of taking the libraries in src/main/jniLibs.
val withNdk = project.hasProperty("edgeqNdk"){% if math %} || true{% endif %}

android {
    namespace = "{{ java_package }}"
    compileSdk = 35
    defaultConfig {
        minSdk = 21
        consumerProguardFiles("consumer-rules.pro")
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
        ndk { abiFilters += listOf({% for abi in abis %}"{{ abi }}"{% if not loop.last %}, {% endif %}{% endfor %}) }
    }
    if (withNdk) {
        externalNativeBuild { cmake { path = file("src/main/cpp/CMakeLists.txt") } }
        sourceSets["main"].jniLibs.setSrcDirs(emptyList<String>())
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }
    kotlinOptions { jvmTarget = "1.8" }
}

dependencies {
    androidTestImplementation("androidx.test:runner:1.6.2")
    androidTestImplementation("androidx.test.ext:junit:1.2.1")
}
